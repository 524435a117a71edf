import Synchronization
import Torch

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

/// The kernels of `CUDA`, which LibTorch has no fused form of, on GPUs.
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

    private static let launchers = Mutex<[Device: DeviceProgram]>([:])

    /// What runs kernels on tensors of a device.
    private static func launcher(_ device: Device) throws -> any KernelLauncher {
        if let emulator { return emulator }
        return try launchers.withLock { launchers in
            if let found = launchers[device] { return found }
            let made = try DeviceProgram(source, on: device)
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

extension DeviceProgram: KernelLauncher {
    func launch(_ name: String, _ shape: KernelShape, _ arguments: [UnsafeMutableRawPointer?]) throws {
        try launch(
            name, grid: shape.grid, threads: shape.threads, sharedBytes: shape.sharedBytes, arguments: arguments)
    }
}

extension Tensor {
    /// Whether the kernels for GPUs take the tensor: contiguous, FP32 or half precision, at an aligned address.
    public var fitsDeviceKernels: Bool {
        guard device != .cpu || DeviceKernels.emulator != nil, dtype == .float32 || dtype.isHalfPrecision,
            isContiguous, count > 0
        else { return false }
        return (try? UInt(bitPattern: address()) % 16 == 0) ?? false
    }
}

extension Device {
    /// Makes sure that the device can be used: loads LibTorch's CUDA half when a GPU is asked for, and its kernels.
    ///
    /// - Throws: `TorchError.runtime` that says what is missing.
    public func prepare() throws {
        try load()
        guard self != .cpu else { return }
        do {
            try DeviceKernels.prepare(self)
        } catch {
            let advice =
                "\(error)".contains("libCLibTorchCUDA.so")
                ? "make build puts it beside the program after Scripts/setup --cuda, or use" : "use"
            throw TorchError.runtime("the kernels for \(self) cannot be loaded (\(error)); \(advice) --device cpu")
        }
    }
}
