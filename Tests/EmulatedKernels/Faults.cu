// Kernels with one mistake each, or none: `fault` 0 is right. KernelEmulatorTests expects the others to be found.

/// Reverses each block's 64 numbers through shared memory.
extern "C" __global__ void __launch_bounds__(64) reversing(const float *input, float *output, int fault) {
    __shared__ float shared[64];
    const int me = threadIdx.x, first = blockIdx.x * 64;
    shared[me] = input[first + me];
    // Without the barrier a thread may read before the other has written.
    if (fault != 1) __syncthreads();
    const float x = shared[63 - me];
    // The next write must wait for the last read.
    if (fault == 2) shared[me] = x;
    if (fault == 3) {
        // Some threads reach a barrier that the others never do.
        if (me < 32) __syncthreads();
    }
    output[first + me] = x;
}
KERNEL_DEFINED(reversing)

/// Copies `count` numbers, four at a time.
extern "C" __global__ void __launch_bounds__(32) copying(const float *input, float *output, int count, int fault) {
    const int shift = fault == 1 ? 1 : 0, end = fault == 2 || fault == 3 ? count + 4 : count;
    for (int i = 4 * threadIdx.x; i < (fault == 3 ? count : end) - 4 * shift; i += 128) {
        float x[4];
        read(input + i + shift, x);
        write(output + i, x);
        if (fault == 3 && i + 4 >= count) write(output + i + 4, x);
        if (fault == 4) write(const_cast<float *>(input) + i, x);
    }
    if (fault == 5 && threadIdx.x == 0) output[-1] = 0;
    if (fault == 6 && threadIdx.x == 0) *(double *)(output + 1) = 0;
}
KERNEL_DEFINED(copying)

/// Adds up numbers in dynamic shared memory and writes the sum of each block of 32.
extern "C" __global__ void __launch_bounds__(32) summing(const float *input, float *output, int fault) {
    DYNAMIC_SHARED_MEMORY(float, shared);
    const int me = threadIdx.x;
    if (me == 0) shared[0] = 0;
    __syncthreads();
    if (fault == 1)
        shared[0] += input[blockIdx.x * 32 + me];
    else
        atomicAdd(shared, input[blockIdx.x * 32 + me]);
    if (fault == 2 && me == 0) output[blockIdx.x] = shared[0];
    if (fault == 3) shared[1] = 1;
    __syncthreads();
    // Blocks have no order: all of them write, or read, one place.
    if (me == 0) output[fault == 4 ? 0 : blockIdx.x] = shared[0];
    if (me == 0 && fault == 5) output[blockIdx.x] += output[1 - blockIdx.x];
}
KERNEL_DEFINED(summing)
