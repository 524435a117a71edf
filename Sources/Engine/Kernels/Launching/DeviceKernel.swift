import W2VTorch

/// The launch shape of a kernel.
struct KernelShape {
    /// Blocks along x and y.
    var grid: (x: Int, y: Int)
    /// Threads of a block.
    var threads: Int
    /// The dynamic shared memory of a block, in bytes.
    var sharedBytes = 0

    /// The shared memory that every GPU grants a block without being asked.
    static let commonSharedBytes = 48 << 10
    /// The most blocks along x and y.
    static let maximumGrid = (x: Int(Int32.max), y: 65535)
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
    /// The threads of a block, which the source text promises to the compiler.
    static var threads: Int { get }
    /// Whether the kernel asks for the number of its block's threads, so that whole warps may be missing.
    static var allowsFewerThreads: Bool { get }
    /// The dynamic shared memory that a block may have, in bytes. More than ``KernelShape/commonSharedBytes`` is not to
    /// be had on every GPU.
    static var maximumSharedBytes: Int { get }
    /// The constants that the source text defines too, by their names there.
    static var constants: [String: Int] { get }

    /// The launch shape.
    var shape: KernelShape { get }
}

extension DeviceKernel {
    static var constants: [String: Int] { [:] }
    static var variants: [String] { [""] }
    var variant: String { "" }
    static var allowsFewerThreads: Bool { false }
    static var maximumSharedBytes: Int { KernelShape.commonSharedBytes }

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

    /// Throws for a launch that a GPU refuses, or that the kernel is not written for.
    private static func check(_ shape: KernelShape) throws {
        func refuse(_ what: String) -> TorchError {
            TorchError.operation("kernel \(name) cannot be started with \(what)")
        }
        let most = KernelShape.maximumGrid
        guard shape.grid.x <= most.x, shape.grid.y <= most.y else {
            throw refuse("\(shape.grid.x) × \(shape.grid.y) blocks: at most \(most.x) × \(most.y) are allowed")
        }
        guard
            shape.threads == threads
                || (allowsFewerThreads && shape.threads > 0 && shape.threads < threads && shape.threads % 32 == 0)
        else { throw refuse("\(shape.threads) threads: it is compiled for \(threads)") }
        guard shape.sharedBytes <= maximumSharedBytes else {
            throw refuse("\(shape.sharedBytes) bytes of shared memory: it may have \(maximumSharedBytes)")
        }
    }

    /// Starts the kernel on the current stream of its tensors' device, compiled for their number format.
    ///
    /// - Throws: `TorchError.operation` for tensors of different devices or formats, or with gaps between their
    ///   elements, for a shape beyond a GPU's limits, or when the launch fails.
    func launch() throws {
        let shape = shape
        guard shape.grid.x > 0, shape.grid.y > 0 else { return }
        try Self.check(shape)
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
                    guard device == place?.device, dtype == expected ?? place?.format, tensor.isContiguous else {
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
                    parameters.indices.map { bytes.baseAddress?.advanced(by: 8 * $0) },
                    { memory(bytes.bindMemory(to: UInt64.self)) })
            }
        }
    }

    /// Returns the tensors of a launch with these arguments.
    private func memory(_ words: UnsafeMutableBufferPointer<UInt64>) -> [KernelMemory] {
        zip(Self.parameters, words).compactMap { parameter, word in
            guard case .address(let tensor?) = parameter.argument(self) else { return nil }
            return KernelMemory(
                name: parameter.name, address: UInt(word), bytes: tensor.count * tensor.dtype.itemSize,
                elementBytes: tensor.dtype.itemSize, isWritten: parameter.isWritten)
        }
    }
}
