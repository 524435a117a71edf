import CW2VLibTorch

/// The device that holds a tensor's elements.
public enum Device: Sendable, Hashable, CustomStringConvertible {
    case cpu
    /// A CUDA GPU by its index.
    case cuda(Int)
    /// LibTorch's meta device, whose tensors have a shape and a type, but neither elements nor memory.
    case meta

    /// Reads `cpu`, `cuda` or `cuda:N`; `nil` for anything else.
    public init?(_ text: String) {
        switch text {
        case "cpu": self = .cpu
        case "cuda": self = .cuda(0)
        default:
            guard text.hasPrefix("cuda:"), let index = Int(text.dropFirst(5)), index >= 0 else { return nil }
            self = .cuda(index)
        }
    }

    /// Set once, when a GPU is first asked for, so that a program may still decide otherwise.
    private static let sumsInFP32: Void = { LibTorch.allowsReducedPrecisionSums = false }()

    /// Checks that LibTorch can use the device, loading its CUDA half for a GPU.
    ///
    /// - Throws: `TorchError.unusable` naming what is missing.
    public func load() throws {
        guard case .cuda(let index) = self else { return }
        _ = Self.sumsInFP32
        if let error = ct_load_cuda() {
            defer { ct_free(error) }
            throw TorchError.unusable(
                self, reason: "LibTorch's CUDA libraries cannot be loaded (\(String(cString: error)))",
                needsInstallation: true)
        }
        let count = Int(ct_cuda_device_count())
        guard index < count else {
            throw TorchError.unusable(
                self, reason: "this machine shows \(count) CUDA devices", needsInstallation: false)
        }
    }

    /// Returns the generation of an NVIDIA GPU: 90 for Hopper (compute capability 9.0); nil for other devices.
    ///
    /// - Throws: `TorchError.operation` when the driver does not answer.
    public func generation() throws -> Int? {
        guard case .cuda(let index) = self else { return nil }
        var capability: Int32 = 0
        try TorchError.check(ct_cuda_capability(Int32(index), &capability))
        return Int(capability)
    }

    /// Waits until the device has finished all queued work; returns at once for a CPU.
    ///
    /// - Throws: `TorchError.operation` when work on the device has failed; `TorchError.recording` in work that is
    ///   recorded.
    public func synchronize() throws {
        try RecordedWork.forbid("\(self) cannot be waited for")
        if case .cuda = self { try TorchError.check(ct_device_synchronize(packed)) }
    }

    /// Returns the peak memory of tensors on a GPU so far, in bytes; nil for the CPU, where it is the process's.
    ///
    /// - Throws: `TorchError.operation` when the device keeps no such count.
    public func peakMemory() throws -> Int? {
        guard case .cuda = self else { return nil }
        var bytes: Int64 = 0
        try TorchError.check(ct_device_peak_memory(packed, &bytes))
        return Int(bytes)
    }

    /// Returns the memory that tensors can still take on a GPU, in bytes; nil for the CPU.
    ///
    /// In a ``Rehearsal`` the meta device has no limit.
    ///
    /// - Throws: `TorchError.operation` when the driver does not answer.
    public func freeMemory() throws -> Int? {
        guard case .cuda = self else { return self == .meta && Rehearsal.isRunning ? .max : nil }
        var bytes: Int64 = 0
        try TorchError.check(ct_device_free_memory(packed, &bytes))
        return Int(bytes)
    }

    /// The device as the command line writes it: `cuda:0`.
    public var description: String {
        switch self {
        case .cpu: return "cpu"
        case .cuda(let index): return "cuda:\(index)"
        case .meta: return "meta"
        }
    }

    var packed: Int64 {
        switch self {
        // LibTorch writes "the current device" as index -1, in the upper half.
        case .cpu: return Int64(-1) << 32
        case .cuda(let index): return Int64(index) << 32 | Self.cudaType
        case .meta: return Int64(-1) << 32 | Self.metaType
        }
    }

    /// The numbers of `c10::DeviceType`; the CPU's is 0.
    private static let (cudaType, metaType): (Int64, Int64) = (1, 14)

    init(packed: Int64) {
        switch packed & 0xFFFF_FFFF {
        case Self.cudaType: self = .cuda(max(0, Int(packed >> 32)))
        case Self.metaType: self = .meta
        default: self = .cpu
        }
    }
}
