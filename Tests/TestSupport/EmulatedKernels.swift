import Foundation
import KernelEmulator
import Synchronization
import W2VTorch

@testable import W2VKernels

/// Runs the GPU kernels on tensors in host memory, and throws what a GPU would not forgive.
private final class EmulatedKernels: KernelLauncher {
    let launched = Mutex<Set<String>>([])

    func launch(
        _ name: String, _ shape: KernelShape, _ arguments: [UnsafeMutableRawPointer?], _ memory: () -> [KernelMemory]
    ) throws {
        var arguments = arguments
        let memory = memory()
        let names = memory.map { strdup($0.name) }
        defer { names.forEach { free($0) } }
        let tensors = zip(memory, names).map { memory, name in
            ke_memory(
                name: name, address: UnsafeRawPointer(bitPattern: memory.address), bytes: Int64(memory.bytes),
                unit: Int64(memory.elementBytes), is_written: memory.isWritten)
        }
        let failure = ke_launch(
            name, Int64(shape.grid.x), Int64(shape.grid.y), Int32(shape.threads), Int32(shape.sharedBytes), &arguments,
            tensors, Int32(tensors.count))
        if let failure {
            defer { free(failure) }
            throw TorchError.operation(String(cString: failure))
        }
        launched.withLock { _ = $0.insert(name) }
    }
}

/// Calls `body` with the emulated GPU kernels in place of those for host memory.
public func withEmulatedDeviceKernels<Result>(_ body: () throws -> Result) rethrows -> Result {
    try DeviceKernels.$emulator.withValue(EmulatedKernels()) { try body() }
}

/// Calls `body` like ``withEmulatedDeviceKernels(_:)``.
///
/// - Returns: The names of the kernels that ran.
public func kernelsLaunched(_ body: () throws -> Void) rethrows -> Set<String> {
    let kernels = EmulatedKernels()
    try DeviceKernels.$emulator.withValue(kernels) { try body() }
    return kernels.launched.withLock { $0 }
}
