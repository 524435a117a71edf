import Synchronization
import W2VTorch

/// Runs kernels by name: on a GPU, or on its substitute in tests.
protocol KernelLauncher: Sendable {
    /// Starts a kernel; `arguments` are the addresses of its arguments, which are read before the call returns, and
    /// `memory` returns its tensors, for a launcher that watches over them.
    func launch(
        _ name: String, _ shape: KernelShape, _ arguments: [UnsafeMutableRawPointer?], _ memory: () -> [KernelMemory]
    ) throws
}

/// The memory of one of a launch's tensors.
struct KernelMemory {
    /// The parameter's name.
    let name: String
    let address: UInt
    let bytes: Int
    let elementBytes: Int
    /// Whether the kernel may write it.
    let isWritten: Bool
}

/// The kernels in `CUDA`, for operations that LibTorch has no fused form of.
enum DeviceKernels {
    /// All kernels, which determine the program's source text.
    static var all: [any DeviceKernel.Type] {
        [
            AdamKernel.self,
            ColumnSumsKernel.self, JoinThirdsKernel.self,
            ContrastKernel.self, ContrastBackwardKernel.self,
            GELUDropoutKernel.self, GELUDropoutBackwardKernel.self, GELUDropoutBackwardSumsKernel.self,
            RoundRowsKernel.self,
            MaskRowsKernel.self, MaskRowsBackwardKernel.self,
            ChooseEntriesKernel.self, ChooseEntriesBackwardKernel.self,
            ResidualNormKernel.self, ResidualNormBackwardKernel.self,
            WindowMomentsKernel.self, FoldNormalizationKernel.self,
            SignalConvolutionKernel.self, SignalConvolutionBackwardKernel.self, SignalGradientSumsKernel.self,
            SignalGradientsKernel.self,
        ]
    }

    /// The files that contain them, in alphabetical order after the common one.
    static let sources: [KernelSource] = {
        let files = Dictionary(all.map { ($0.source.file, $0.source) }) { first, _ in first }
        return [.common] + files.values.sorted { $0.file < $1.file }
    }()

    /// The whole source text.
    static var source: String { sources.map(\.text).joined(separator: "\n") }

    /// A substitute that runs the kernels on tensors in host memory, in tests.
    @TaskLocal static var emulator: (any KernelLauncher)?

    private static let programs = Mutex<[Device: DeviceProgram]>([:])

    /// Returns the launcher for a device; the first call compiles or loads the kernels.
    static func launcher(_ device: Device) throws -> any KernelLauncher {
        if let emulator { return emulator }
        if device == .meta { return RehearsedKernels() }
        return try programs.withLock { programs in
            if let found = programs[device] { return found }
            let made = try DeviceProgram(source, on: device)
            programs[device] = made
            return made
        }
    }
}

extension DeviceProgram: KernelLauncher {
    func launch(
        _ name: String, _ shape: KernelShape, _ arguments: [UnsafeMutableRawPointer?], _ memory: () -> [KernelMemory]
    ) throws {
        try launch(
            name, grid: shape.grid, threads: shape.threads, sharedBytes: shape.sharedBytes, arguments: arguments)
    }
}

/// Counts kernels instead of running them.
private struct RehearsedKernels: KernelLauncher {
    func launch(
        _ name: String, _ shape: KernelShape, _ arguments: [UnsafeMutableRawPointer?], _ memory: () -> [KernelMemory]
    ) { Rehearsal.launch() }
}

extension Device {
    /// Prepares the device: loads LibTorch's CUDA half for a GPU, and its kernels.
    ///
    /// - Throws: `TorchError.unusable` naming what is missing.
    public func prepare() throws {
        try load()
        guard case .cuda = self else { return }
        do {
            _ = try DeviceKernels.launcher(self)
        } catch {
            throw TorchError.unusable(
                self, reason: "its kernels cannot be loaded (\(error))",
                needsInstallation: "\(error)".contains("libCLibTorchCUDA.so"))
        }
    }
}
