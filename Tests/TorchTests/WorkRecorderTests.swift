import Foundation
import Synchronization
import TestSupport
import Testing
import W2VBase
import W2VKernels

@testable import W2VTorch

/// On a CPU recorded work is repeated on the tensors of the input that it was recorded with, as on a GPU.
@Suite(.onTestThreads) struct WorkRecorderTests {
    private struct Numbers: RecordableInput {
        let numbers: Tensor

        var shape: Int { numbers.count }
        var tensors: [Tensor] { [numbers] }

        func owned(on device: Device) throws -> Numbers { Numbers(numbers: try numbers.cloned()) }
    }

    private final class Calls {
        var inputs: [Tensor] = []
    }

    private func recorder(_ calls: Calls, capacity: Int = 4) -> WorkRecorder<Numbers> {
        WorkRecorder(on: .cpu, capacity: capacity, isLarge: true) {
            calls.inputs.append($0.numbers)
            return try $0.numbers * 2
        }
    }

    private func doubled(_ recorder: WorkRecorder<Numbers>, _ numbers: [Float]) throws -> [Float] {
        try recorder(Numbers(numbers: Tensor(numbers))).elements()
    }

    @Test func laterInputsAreCopiedIntoTheRecordedOne() throws {
        let calls = Calls()
        let recorder = recorder(calls)
        for numbers: [Float] in [[1, 2], [3, 4], [5, 6], [7, 8]] {
            #expect(try doubled(recorder, numbers) == numbers.map { 2 * $0 })
        }
        #expect(try doubled(recorder, [1]) == [2])
        #expect(calls.inputs.count == 5)
        #expect(!calls.inputs[0].isIdentical(to: calls.inputs[1]))
        #expect(calls.inputs[2].isIdentical(to: calls.inputs[1]) && calls.inputs[3].isIdentical(to: calls.inputs[1]))
    }

    @Test func theLeastRecentlyUsedShapeIsForgotten() throws {
        let calls = Calls()
        let recorder = recorder(calls, capacity: 2)
        for numbers: [Float] in [[1], [1], [1, 2], [1], [1, 2, 3], [3]] { _ = try doubled(recorder, numbers) }
        // The shape of one number was used when the third shape came.
        #expect(calls.inputs[5].isIdentical(to: calls.inputs[1]))
        _ = try doubled(recorder, [1, 2])
        #expect(try doubled(recorder, [4, 5]) == [8, 10])
        // The shape of two numbers was new again, and is recorded with its second input only.
        #expect(!calls.inputs[7].isIdentical(to: calls.inputs[6]))
    }

    /// Failed work has used no constants that a recording could find: the next input of its shape counts as the first.
    @Test func failedWorkIsNotRecorded() throws {
        let calls = Calls()
        var fails = true
        let recorder = WorkRecorder<Numbers>(on: .cpu, capacity: 4, isLarge: false) {
            calls.inputs.append($0.numbers)
            if fails { throw TorchError.operation("no memory") }
            return try $0.numbers * 2
        }
        #expect(throws: TorchError.self) { try doubled(recorder, [1, 2]) }
        fails = false
        for numbers: [Float] in [[3, 4], [5, 6], [7, 8]] {
            #expect(try doubled(recorder, numbers) == numbers.map { 2 * $0 })
        }
        #expect(!calls.inputs[1].isIdentical(to: calls.inputs[2]))
        #expect(calls.inputs[2].isIdentical(to: calls.inputs[3]))
    }

    /// What would spoil a recording on a GPU is an error on the CPU too, with the second input of a shape.
    @Test(arguments: [
        "an element", "an element in the backward pass", "an upload", "a constant", "a generator", "a seed",
    ])
    func recordedWorkReadsAndUploadsNothing(_ operation: String) throws {
        let standard = try Generator.standard()
        func disturb(_ tensor: Tensor) throws {
            switch operation {
            case "an upload": _ = try Tensor([Float(1)]).to(device: tensor.device)
            // Another one with each input.
            case "a constant":
                let constant = ShapeConstant("inputs", [calls.inputs.count]) { [1] }
                _ = try constant(on: .cpu)
            case "a generator": _ = try Generator(seed: 1)
            case "a seed": try standard.seed(1)
            default: _ = try tensor.isFinite()
            }
        }
        let calls = Calls()
        let recorder = WorkRecorder<Numbers>(on: .cpu, capacity: 4, isLarge: true) { input in
            calls.inputs.append(input.numbers)
            guard operation.hasSuffix("pass") else {
                try disturb(input.numbers)
                return input.numbers
            }
            let leaf = try input.numbers.detached().requiringGradient()
            let output = try differentiable("disturbing", [leaf]) {
                (
                    [try leaf * 2],
                    { gradients, _ in
                        try disturb(leaf)
                        return gradients
                    }
                )
            }[0]
            try output.sum().backward()
            return input.numbers
        }
        #expect(try doubledOrSame(recorder, [1, 2]) == [1, 2])
        let error = #expect(throws: TorchError.self) { try doubledOrSame(recorder, [3, 4]) }
        #expect(try "\(#require(error))".contains("while work is recorded"))
        // The shape counts as new, and nothing is left of the recording.
        #expect(try doubledOrSame(recorder, [5, 6]) == [5, 6])
        #expect(recorder.counts == .init(firstRuns: 2, recordings: 1, replays: 0))
        try disturb(Tensor([Float(1)]))
    }

    private func doubledOrSame(_ recorder: WorkRecorder<Numbers>, _ numbers: [Float]) throws -> [Float] {
        try recorder(Numbers(numbers: Tensor(numbers))).elements()
    }

    /// A thread that prepares the next input may read and upload meanwhile.
    @Test func otherThreadsMayUploadWhileWorkIsRecorded() throws {
        let uploaded = Mutex(0)
        let recorder = WorkRecorder<Numbers>(on: .cpu, capacity: 4, isLarge: true) { input in
            let isDone = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                let tensor = try? Tensor([Float(3)]).to(device: .cpu)
                if (try? tensor?.item()) == 3 { uploaded.withLock { $0 += 1 } }
                isDone.signal()
            }
            isDone.wait()
            return try input.numbers * 2
        }
        for numbers: [Float] in [[1], [2], [3]] { #expect(try doubled(recorder, numbers) == [2 * numbers[0]]) }
        #expect(uploaded.withLock { $0 } == 3)
        #expect(recorder.counts == .init(firstRuns: 1, recordings: 1, replays: 2))
    }

    /// A dropout whose seed is in memory drops the same as one with the number, with each kind of kernels, and
    /// something else after the memory has changed.
    @Test(arguments: [false, true])
    func seedsInMemoryAreReadEachTime(_ isEmulated: Bool) throws {
        let stream = { RandomStream(seed: 3, purpose: .dropout, step: $0) }
        let (input, branch) = (
            try Tensor.normal([5, 32], generator: Generator(seed: 1)),
            try Tensor.normal([5, 32], generator: Generator(seed: 2))
        )
        let norm = try LayerNorm(32, initializer: .random(seed: 4))
        let weight = try Tensor.normal([8, 32], generator: Generator(seed: 5))
        func outputs(_ source: DropoutSource) throws -> [[Float]] {
            let mode = Module.Mode.training(source)
            func run() throws -> [[Float]] {
                try [
                    input.dropout(0.3, mode), norm(input, adding: branch, dropout: 0.3, mode),
                    input.geluDropoutLinear(0.3, mode, weight: weight, bias: nil),
                    input.dropout(0.3, mode.forLayer(2)),
                ].map { try $0.elements(Float.self) }
            }
            return try isEmulated ? withEmulatedDeviceKernels(run) : run()
        }
        let base = try Tensor([DropoutSource.base(stream(1))], shape: [])
        let first = try outputs(DropoutSource(base: base))
        #expect(try first == outputs(DropoutSource(stream(1))))
        #expect(first[0] != first[3])
        try base.copy(from: Tensor([DropoutSource.base(stream(2))], shape: []))
        let second = try outputs(DropoutSource(base: base))
        #expect(try second == outputs(DropoutSource(stream(2))))
        for (one, other) in zip(first, second) { #expect(one != other) }
    }
}
