import CW2VLibTorch
import Foundation
import Synchronization
import W2VBase

/// Kernels in CUDA's C++, compiled for one GPU and loaded into it.
///
/// NVRTC compiles them, so no CUDA toolkit is needed; the machine code is cached below `XDG_CACHE_HOME`, by default
/// `~/.cache`.
///
/// `@unchecked Sendable` is safe: the handle never changes, its kernels stay loaded as long as the process lives, CUDA's
/// driver takes launches from any thread, and the table has a lock.
package final class DeviceProgram: @unchecked Sendable {
    private let device: Int
    private let kernels: ct_kernels
    private let found = Mutex<[String: UInt]>([:])

    /// Compiles source text for a GPU, or loads the cached result.
    ///
    /// - Throws: `TorchError` with the compiler's or the driver's message.
    package init(_ source: String, on device: Device) throws {
        guard case .cuda(let index) = device else {
            throw TorchError.runtime("the kernels for GPUs cannot run on \(device)")
        }
        self.device = index
        var loaded: ct_kernels?
        try TorchError.check(
            ct_cuda_load_kernels(
                Int32(index), source, Self.folder(), "kernels-\(Self.fingerprint(source))", &loaded))
        guard let loaded else { throw TorchError.runtime("no kernels were loaded on \(device)") }
        kernels = loaded
    }

    /// Returns the cache folder; empty where none can be made.
    private static func folder() -> String {
        let environment = ProcessInfo.processInfo.environment
        let home =
            environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
            ?? environment["HOME"].map { $0 + "/.cache" }
        guard let folder = home.map({ $0 + "/wav2vec2/kernels" }) else { return "" }
        let made: Void? = try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return made == nil ? "" : folder
    }

    /// Returns the hash of the source, which names its version in the cache.
    private static func fingerprint(_ text: String) -> String {
        var hash = FNV1a()
        hash.add(text.utf8)
        return String(hash.value, radix: 16)
    }

    private func kernel(_ name: String) throws -> ct_kernel {
        let address = try found.withLock { found in
            if let known = found[name] { return known }
            var kernel: ct_kernel?
            try TorchError.check(ct_cuda_find_kernel(kernels, name, &kernel))
            let address = UInt(bitPattern: kernel)
            found[name] = address
            return address
        }
        guard let kernel = ct_kernel(bitPattern: address) else { throw TorchError.runtime("kernel \(name) is missing") }
        return kernel
    }

    /// Starts a kernel on the GPU's current stream.
    ///
    /// - Parameters:
    ///   - name: The kernel's name in the source text.
    ///   - sharedBytes: The dynamic shared memory of a block.
    ///   - arguments: The addresses of the kernel's arguments, which are read before the call returns.
    /// - Throws: `TorchError.operation` for an unknown kernel, or when the GPU refuses.
    package func launch(
        _ name: String, grid: (x: Int, y: Int), threads: Int, sharedBytes: Int, arguments: [UnsafeMutableRawPointer?]
    ) throws {
        var arguments = arguments
        try TorchError.check(
            ct_cuda_launch(
                Int32(device), kernel(name), Int64(grid.x), Int64(grid.y), Int32(threads), Int32(sharedBytes),
                &arguments))
    }
}
