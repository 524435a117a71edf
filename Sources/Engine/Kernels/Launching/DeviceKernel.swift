import W2VTorch

/// The launch shape of a kernel.
struct KernelShape {
    /// Blocks along x and y.
    var grid: (x: Int, y: Int)
    /// Threads of a block.
    var threads: Int
    /// The dynamic shared memory of a block, in bytes.
    var sharedBytes = 0
}

/// A file of kernels in the folder `CUDA`.
struct KernelSource: Sendable {
    /// The file's name.
    let file: String
    /// Its text.
    let text: String

    init(_ file: String, _ bytes: [UInt8]) {
        (self.file, text) = (file, String(decoding: bytes, as: UTF8.self))
    }

    /// The file that all others use.
    static let common = KernelSource("Common.cuh", PackageResources.Common_cuh)
}

/// A kernel for GPUs: a value holds the tensors and numbers of one launch.
///
/// The parameters are declared once, in the source text's order; a launch passes its arguments by this declaration, and
/// the tests compare names, types and constants with the source text.
protocol DeviceKernel {
    /// The kernel's name in the source text, without the number format.
    static var name: String { get }
    /// The suffixes of the names of kernels with these parameters.
    static var variants: [String] { get }
    /// The suffix for this launch.
    var variant: String { get }
    /// The file that contains it.
    static var source: KernelSource { get }
    /// The parameters, in the source text's order.
    static var parameters: [KernelParameter<Self>] { get }
    /// The maximum number of threads of a block, which the source text promises to the compiler.
    static var threads: Int { get }
    /// The constants that the source text defines too, by their names there.
    static var constants: [String: Int] { get }

    /// The launch shape.
    var shape: KernelShape { get }
}

extension DeviceKernel {
    static var constants: [String: Int] { [:] }
    static var variants: [String] { [""] }
    var variant: String { "" }

    /// The names of its kernels in the compiled program.
    static var compiledNames: [String] {
        variants.flatMap { variant in
            hasFormats
                ? [DType.float32, .float16, .bfloat16].map { "\(name)\(variant)_\($0)" } : ["\(name)\(variant)"]
        }
    }

    /// Whether there is one kernel per number format.
    static var hasFormats: Bool { parameters.contains { $0.element.map { $0.dtype == nil } ?? false } }

    /// The parameters in the source text's form: `const T *logits`.
    static var signature: [String] {
        parameters.map { $0.type.hasSuffix("*") ? $0.type + $0.name : "\($0.type) \($0.name)" }
    }

    /// Starts the kernel on the current stream of its tensors' device, compiled for their number format.
    ///
    /// - Throws: `TorchError.operation` for tensors of different devices or formats, or when the launch fails.
    func launch() throws {
        let shape = shape
        guard shape.grid.x > 0, shape.grid.y > 0 else { return }
        let parameters = Self.parameters
        var place: (device: Device, format: DType?)?
        // Every argument takes eight bytes.
        var words = [UInt64](repeating: 0, count: parameters.count)
        // The values own the tensors behind the addresses.
        try withExtendedLifetime(self) {
            for (index, parameter) in parameters.enumerated() {
                switch parameter.argument(self) {
                case .number(let bits): words[index] = bits
                case .address(nil): break
                case .address(let tensor?):
                    let (device, dtype) = (tensor.device, tensor.dtype)
                    let expected = parameter.element?.dtype
                    if place == nil { place = (device, nil) }
                    if expected == nil, place?.format == nil { place?.format = dtype }
                    // On another device the address is invalid, and a GPU that follows it is lost to the process.
                    guard device == place?.device, dtype == expected ?? place?.format else {
                        throw TorchError.operation(
                            "\(parameter.name) of kernel \(Self.name) on \(place?.device ?? device) cannot be \(tensor)"
                        )
                    }
                    words[index] = UInt64(UInt(bitPattern: try tensor.address()))
                }
            }
            guard let place else { throw TorchError.operation("kernel \(Self.name) was given no tensor") }
            let launcher = try DeviceKernels.launcher(place.device)
            try words.withUnsafeMutableBytes { bytes in
                try launcher.launch(
                    place.format.map { "\(Self.name)\(variant)_\($0)" } ?? "\(Self.name)\(variant)", shape,
                    parameters.indices.map { bytes.baseAddress?.advanced(by: 8 * $0) })
            }
        }
    }
}
