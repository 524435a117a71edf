import W2VTorch

// The requirements of kernels on tensors: place, format, and order of the elements.

extension Tensor {
    private var isContiguousInHostMemory: Bool { HostKernels.areUsed && device == .cpu && isContiguous && count > 0 }

    /// Whether all kernels in host memory support the tensor: contiguous FP32 elements, at least one.
    public var fitsHostKernels: Bool { dtype == .float32 && isContiguousInHostMemory }

    /// Whether elementwise kernels in host memory support the tensor: FP32 or BF16.
    public var fitsElementwiseHostKernels: Bool {
        (dtype == .float32 || dtype == .bfloat16) && isContiguousInHostMemory
    }

    /// Whether the GPU kernels support the tensor: contiguous, FP32 or half precision, at an aligned address.
    public var fitsDeviceKernels: Bool {
        guard device != .cpu || DeviceKernels.emulator != nil, dtype == .float32 || dtype.isHalfPrecision,
            isContiguous, count > 0
        else { return false }
        return (try? UInt(bitPattern: address()) % 16 == 0) ?? false
    }

    /// Returns whether elementwise kernels in host memory support this tensor together with others: of one format.
    func fitsElementwiseHostKernels(with others: [Tensor?]) -> Bool {
        fitsElementwiseHostKernels
            && others.allSatisfy { $0.map { $0.fitsElementwiseHostKernels && $0.dtype == dtype } ?? true }
    }

    /// Returns whether the GPU kernels support this tensor together with others: of one format, on one device.
    func fitsDeviceKernels(with others: [Tensor?]) -> Bool {
        fitsDeviceKernels
            && others.allSatisfy {
                $0.map { $0.fitsDeviceKernels && $0.dtype == dtype && $0.device == device } ?? true
            }
    }

    /// Returns whether kernels support this tensor together with others, wherever they are: of one format, in one
    /// place.
    func fitsKernels(with others: Tensor?...) -> Bool {
        fitsElementwiseHostKernels(with: others) || fitsDeviceKernels(with: others)
    }
}
