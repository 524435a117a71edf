import CLibTorch
import Foundation
import Synchronization

/// One argument of a kernel on a GPU.
enum KernelArgument {
    /// The address of a tensor's first element.
    case tensor(Tensor)
    /// The same, or nothing.
    case optional(Tensor?)
    case int64(Int)
    case int32(Int)
    case uint32(UInt32)
    case uint64(UInt64)
    case float(Double)
    case double(Double)
}

/// How many threads run a kernel.
struct KernelShape {
    /// Blocks along x and y.
    var grid: (x: Int, y: Int)
    /// Threads of a block.
    var threads: Int
    /// Shared memory of a block whose size the kernel does not know.
    var sharedBytes = 0
}

/// Runs kernels by their names: a GPU, or what stands in for it in tests.
protocol KernelLauncher: Sendable {
    /// Starts a kernel; `arguments` are the addresses of its arguments, which are read before the call returns.
    func launch(_ name: String, _ shape: KernelShape, _ arguments: [UnsafeMutableRawPointer?]) throws
}

/// The kernels of `Device/Kernels`, which LibTorch has no fused form of, on GPUs.
///
/// NVRTC compiles them when a GPU is first asked for, so that no CUDA toolkit is needed, and the machine code stays in the
/// user's cache (`XDG_CACHE_HOME`, by default `~/.cache`).
enum DeviceKernels {
    /// Runs the kernels on tensors in host memory, in tests.
    @TaskLocal static var emulator: (any KernelLauncher)?

    /// The whole source text.
    static var source: String {
        [
            PackageResources.Common_cuh, PackageResources.Contrast_cu, PackageResources.Elementwise_cu,
            PackageResources.Float8_cu, PackageResources.Masking_cu, PackageResources.Quantizer_cu,
            PackageResources.ResidualNorm_cu, PackageResources.SignalConvolution_cu,
        ].map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
    }

    private static let launchers = Mutex<[Device: GPUKernels]>([:])

    /// What runs kernels on tensors of a device.
    private static func launcher(_ device: Device) throws -> any KernelLauncher {
        if let emulator { return emulator }
        return try launchers.withLock { launchers in
            if let found = launchers[device] { return found }
            let made = try GPUKernels(device)
            launchers[device] = made
            return made
        }
    }

    /// Compiles or loads the kernels, so that the first launch does not wait for it.
    static func prepare(_ device: Device) throws { _ = try launcher(device) }

    /// Starts a kernel for elements of a number format on a device's current stream.
    static func launch(
        _ name: String, of dtype: DType? = nil, on device: Device, _ shape: KernelShape, _ arguments: KernelArgument...
    ) throws {
        guard shape.grid.x > 0, shape.grid.y > 0 else { return }
        // Elsewhere an address means nothing, and a GPU that follows it is lost to the process.
        func address(_ tensor: Tensor) throws -> UInt64 {
            guard tensor.device == device else {
                throw TorchError.operation("kernel \(name) on \(device) was given \(tensor) of \(tensor.device)")
            }
            return UInt64(UInt(bitPattern: try tensor.address()))
        }
        // Every argument has eight bytes of its own.
        var words = [UInt64](repeating: 0, count: arguments.count)
        for (index, argument) in arguments.enumerated() {
            switch argument {
            case .tensor(let tensor): words[index] = try address(tensor)
            case .optional(let tensor): words[index] = try tensor.map(address) ?? 0
            case .int64(let number): words[index] = UInt64(bitPattern: Int64(number))
            case .int32(let number): words[index] = UInt64(UInt32(bitPattern: Int32(number)))
            case .uint32(let number): words[index] = UInt64(number)
            case .uint64(let number): words[index] = number
            case .float(let number): words[index] = UInt64(Float(number).bitPattern)
            case .double(let number): words[index] = number.bitPattern
            }
        }
        let launcher = try launcher(device)
        try withExtendedLifetime(arguments) {
            try words.withUnsafeMutableBytes { bytes in
                try launcher.launch(
                    dtype.map { "\(name)_\($0)" } ?? name, shape,
                    arguments.indices.map { bytes.baseAddress?.advanced(by: 8 * $0) })
            }
        }
    }
}

/// The kernels as one GPU runs them.
///
/// `@unchecked Sendable` is safe: kernels stay loaded as long as the process lives, and the table has a lock.
private final class GPUKernels: KernelLauncher, @unchecked Sendable {
    private let device: Int
    private let kernels: ct_kernels
    private let found = Mutex<[String: UInt]>([:])

    init(_ device: Device) throws {
        guard case .cuda(let index) = device else {
            throw TorchError.runtime("the kernels for GPUs cannot run on \(device)")
        }
        self.device = index
        let source = DeviceKernels.source
        var loaded: ct_kernels?
        try TorchError.check(
            ct_cuda_load_kernels(
                Int32(index), source, Self.folder(), "kernels-\(Self.fingerprint(source))", &loaded))
        guard let loaded else { throw TorchError.runtime("no kernels were loaded on \(device)") }
        kernels = loaded
    }

    /// Where machine code is kept; empty where no folder can be made.
    private static func folder() -> String {
        let environment = ProcessInfo.processInfo.environment
        let home =
            environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
            ?? environment["HOME"].map { $0 + "/.cache" }
        guard let folder = home.map({ $0 + "/wav2vec2/kernels" }) else { return "" }
        let made: Void? = try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return made == nil ? "" : folder
    }

    /// FNV-1a (Fowler, Noll and Vo): tells one version of the source from another.
    private static func fingerprint(_ text: String) -> String {
        let hash = text.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return String(hash, radix: 16)
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

    func launch(_ name: String, _ shape: KernelShape, _ arguments: [UnsafeMutableRawPointer?]) throws {
        var arguments = arguments
        try TorchError.check(
            ct_cuda_launch(
                Int32(device), kernel(name), Int64(shape.grid.x), Int64(shape.grid.y), Int32(shape.threads),
                Int32(shape.sharedBytes), &arguments))
    }
}

extension Tensor {
    /// The address of the first element, in host memory or on a device.
    func address() throws -> UnsafeMutableRawPointer {
        try requireElements()
        return try withHandle { raw in
            var address: UnsafeMutableRawPointer?
            try TorchError.check(ct_tensor_data(raw, &address))
            guard let address else { throw TorchError.runtime("\(self) has no elements in memory") }
            return address
        }
    }

    /// Whether the kernels for GPUs take the tensor: contiguous, FP32 or half precision, at an aligned address.
    public var fitsDeviceKernels: Bool {
        guard device != .cpu || DeviceKernels.emulator != nil, dtype == .float32 || dtype.isHalfPrecision,
            isContiguous, count > 0
        else { return false }
        return (try? UInt(bitPattern: address()) % 16 == 0) ?? false
    }
}
