import ArgumentParser
import Foundation
import W2VAudio
import W2VBase
import W2VCluster
import W2VFetching
import W2VKernels
import W2VTorch

/// `wav2vec2 doctor`: checks what this machine offers, and what is wrong with it.
struct DoctorCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check LibTorch, the processor, GPUs and audio codecs, and explain how to fix problems.",
        discussion: """
            The exit code is 1 if something essential fails. A missing GPU, ffmpeg or libcurl is not essential.

            Examples:
              wav2vec2 doctor
              wav2vec2 doctor --json | jq .problems
            """)

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        let report = DoctorReport()
        try Console.output(json ? try jsonLine(report) : report.text)
        if !report.ok { throw ExitCode(EXIT_FAILURE) }
    }
}

/// The findings of `doctor`.
private struct DoctorReport: Encodable {
    /// A codec that was tried.
    struct Codec: Encodable {
        var name: String
        var works: Bool
        var error: Nullable<String>
    }

    /// A part that is missing or does not work.
    struct Problem: Encodable {
        var essential: Bool
        var what: String
        var remedy: String
    }

    var program = Program.version
    var libtorch = LibTorch.version
    var cpu = processorName()
    var cpuCapability = LibTorch.cpuCapability
    var kernels = HostInstructions.inUse
    var bf16Products = HostInstructions.multiplyBFloat16
    var mkl: Bool
    var onednn: Bool
    var cores = ProcessInfo.processInfo.activeProcessorCount
    var threads = LibTorch.threads
    var memoryMb = Int(ProcessInfo.processInfo.physicalMemory >> 20)
    var availableMemoryMb: Nullable<Int>
    var gpus: [String]
    var gpuNote: Nullable<String>
    /// What NCCL chose, between GPUs.
    var nccl: Nullable<String>
    var libsndfile = AudioFile.decoderVersion
    var codecs: [Codec]
    var ffmpeg: Nullable<String>
    var libcurl = Nullable(SystemLibrary.curlVersion)
    var problems: [Problem]
    var ok: Bool

    init() {
        var problems: [Problem] = []
        // First, because LibTorch would otherwise look for its CUDA part before that has been loaded.
        (gpus, gpuNote) = Self.findGPUs()
        nccl = Nullable(gpus.isEmpty ? nil : Self.ncclChoices())
        let configuration = LibTorch.configuration
        mkl = configuration.contains("Math Kernel Library") || configuration.contains("USE_MKL=ON")
        onednn = configuration.contains("MKL-DNN") || configuration.contains("USE_MKLDNN=1")
        availableMemoryMb = Nullable(availableMemory().map { Int($0 >> 20) })
        codecs = Self.tryCodecs()
        ffmpeg = Nullable(AudioFile.externalDecoder?.path)
        if let fault = Self.computationFault() {
            problems.append(
                Problem(
                    essential: true, what: "LibTorch computes wrongly: \(fault)", remedy: "run Scripts/setup again"))
        }
        if !libtorch.hasPrefix("2.11.") {
            problems.append(
                Problem(
                    essential: true, what: "LibTorch is \(libtorch) where 2.11.0 is expected",
                    remedy: "run Scripts/setup, and build again"))
        }
        if !mkl, Self.mayHaveMKL {
            problems.append(
                Problem(
                    essential: false, what: "LibTorch was built without MKL, so matrix products are slow",
                    remedy: "use the LibTorch that Scripts/setup installs"))
        }
        for codec in codecs where !codec.works {
            problems.append(
                Problem(
                    essential: ["WAV", "FLAC"].contains(codec.name),
                    what: "\(codec.name) cannot be written and read back (\(codec.error.value ?? "unknown reason"))",
                    remedy: "install libsndfile 1.1 or newer: apt-get install libsndfile1"))
        }
        if ffmpeg.value == nil {
            problems.append(
                Problem(
                    essential: false, what: "ffmpeg is missing, so MP4, AAC and other containers cannot be read",
                    remedy: "apt-get install ffmpeg"))
        }
        for library in SystemLibrary.allCases where (try? library.load()) == nil {
            problems.append(
                Problem(
                    essential: false, what: "\(library.rawValue) cannot be loaded, so nothing can be downloaded",
                    remedy: "apt-get install \(library.package)"))
        }
        if let available = availableMemoryMb.value, available < 2048 {
            problems.append(
                Problem(
                    essential: false, what: "only \(available) MB of memory are free; a BASE model needs 4 GB to train",
                    remedy: "end other programs, or train a smaller model"))
        }
        self.problems = problems
        ok = !problems.contains(where: \.essential)
    }

    var text: String {
        var lines = [
            "wav2vec2 \(program)",
            "LibTorch     \(libtorch), MKL \(mkl ? "yes" : "no"), oneDNN \(onednn ? "yes" : "no")",
            "processor    \(cpu), \(cores) cores, \(threads) threads in use",
            "kernels      \(kernels), LibTorch's \(cpuCapability), BF16 products \(bf16Products ? "yes" : "no")",
            "memory       \(memoryMb) MB" + (availableMemoryMb.value.map { ", \($0) MB of it free" } ?? ""),
            "GPUs         \(gpus.isEmpty ? "none (\(gpuNote.value ?? ""))" : gpus.joined(separator: ", "))",
        ]
        if let nccl = nccl.value { lines.append("NCCL         \(nccl)") }
        lines += [
            "libsndfile   \(libsndfile)",
            "codecs       " + codecs.map { "\($0.name) \($0.works ? "yes" : "NO")" }.joined(separator: ", "),
            "ffmpeg       \(ffmpeg.value ?? "not found")",
            "libcurl      \(libcurl.value ?? "not found")",
        ]
        if problems.isEmpty { lines.append("Everything is in place.") }
        for problem in problems {
            lines.append("\(problem.essential ? "PROBLEM" : "note"): \(problem.what); \(problem.remedy).")
        }
        return lines.joined(separator: "\n")
    }

    /// MKL is a library for x86 processors; LibTorch for ARM has NVIDIA's BLAS and the Arm Compute Library.
    private static var mayHaveMKL: Bool {
        #if arch(x86_64)
        true
        #else
        false
        #endif
    }

    private static func findGPUs() -> (found: [String], note: Nullable<String>) {
        var found: [String] = []
        while true {
            do {
                try Device.cuda(found.count).prepare()
                found.append("\(Device.cuda(found.count))")
            } catch {
                return (found, Nullable(found.isEmpty ? Self.gpuNote("\(error)") : nil))
            }
        }
    }

    private static func ncclChoices() -> String {
        do {
            return try NCCLChoices(of: 0).text
        } catch {
            return "cannot be started (\("\(error)".prefix { $0 != "\n" }))"
        }
    }

    private static func gpuNote(_ error: String) -> String {
        guard FileManager.default.fileExists(atPath: "/proc/driver/nvidia/version") else {
            return "this machine has no NVIDIA driver"
        }
        return error
    }

    /// Computes a small product with a known result, forward and backward, and returns what is wrong.
    private static func computationFault() -> String? {
        do {
            let input = try Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]).requiringGradient()
            let product = try input.matmul(input).sum()
            try product.backward()
            let gradient = try input.gradient()?.elements(Float.self) ?? []
            let value = try product.item()
            guard value == 54, gradient == [7, 11, 9, 13] else {
                return "a 2×2 product gave \(value) with gradient \(gradient)"
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Writes and reads half a second of a tone with each codec.
    private static func tryCodecs() -> [Codec] {
        let formats: [(name: String, format: AudioFileFormat)] = [
            ("WAV", .wav16), ("FLAC", .flac), ("Ogg Vorbis", .vorbis), ("Opus", .opus), ("MP3", .mp3),
        ]
        let tone = (0..<8000).map { Float(0.5 * sin(2 * Double.pi * 440 * Double($0) / 16_000)) }
        return formats.map { name, format in
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("wav2vec2-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: file) }
            do {
                try AudioFile.write(tone, to: file, format: format)
                let energy = try AudioFile.read(file).reduce(0) { $0 + $1 * $1 }
                // The tone's energy is 1000; a lossy codec keeps nearly all of it.
                let works = (800...1200).contains(energy)
                return Codec(
                    name: name, works: works, error: Nullable(works ? nil : "a tone came back with energy \(energy)"))
            } catch {
                return Codec(name: name, works: false, error: Nullable("\(error)"))
            }
        }
    }
}

private func processorName() -> String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    func value(_ key: String) -> String? {
        lines.first { $0.hasPrefix(key) }?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces)
    }
    if let model = value("model name") { return model }
    // Linux names no ARM processors, but gives the numbers of their makers and models.
    guard let maker = value("CPU implementer"), let part = value("CPU part") else { return "unknown processor" }
    return "ARM processor of implementer \(maker), part \(part)"
}

private func availableMemory() -> Int? {
    let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?.split(separator: "\n") ?? []
    guard let line = lines.first(where: { $0.hasPrefix("MemAvailable:") }) else { return nil }
    return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
}
