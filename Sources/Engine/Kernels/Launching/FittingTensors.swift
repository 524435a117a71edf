import W2VTorch

// What kernels can read: where a tensor is, in which format, and how its elements follow each other.

extension Tensor {
    private var isContiguousInHostMemory: Bool { HostKernels.areUsed && device == .cpu && isContiguous && count > 0 }

    /// Whether the tensor is what all kernels in host memory take: contiguous FP32 elements, at least one.
    public var fitsHostKernels: Bool { dtype == .float32 && isContiguousInHostMemory }

    /// Whether the tensor is what elementwise kernels in host memory take: FP32 or BF16.
    public var fitsElementwiseHostKernels: Bool {
        (dtype == .float32 || dtype == .bfloat16) && isContiguousInHostMemory
    }

    /// Whether the kernels for GPUs take the tensor: contiguous, FP32 or half precision, at an aligned address.
    public var fitsDeviceKernels: Bool {
        guard device != .cpu || DeviceKernels.emulator != nil, dtype == .float32 || dtype.isHalfPrecision,
            isContiguous, count > 0
        else { return false }
        return (try? UInt(bitPattern: address()) % 16 == 0) ?? false
    }

    /// Whether elementwise kernels in host memory take this tensor together with others: of one format.
    func fitsElementwiseHostKernels(with others: [Tensor?]) -> Bool {
        fitsElementwiseHostKernels
            && others.allSatisfy { $0.map { $0.fitsElementwiseHostKernels && $0.dtype == dtype } ?? true }
    }

    /// Whether the kernels for GPUs take this tensor together with others: of one format, on one device.
    func fitsDeviceKernels(with others: [Tensor?]) -> Bool {
        fitsDeviceKernels
            && others.allSatisfy {
                $0.map { $0.fitsDeviceKernels && $0.dtype == dtype && $0.device == device } ?? true
            }
    }

    /// Whether kernels take this tensor together with others, wherever they are: of one format, in one place.
    func fitsKernels(with others: Tensor?...) -> Bool {
        fitsElementwiseHostKernels(with: others) || fitsDeviceKernels(with: others)
    }
}
