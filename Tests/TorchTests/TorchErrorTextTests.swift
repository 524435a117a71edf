import Foundation
import TestSupport
import Testing

@testable import W2VTorch

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct TorchErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                SafetensorsError.unreadable(path: "m.safetensors", reason: "there is no such file"),
                SafetensorsError.damaged(path: "m.safetensors", .tooShort(bytes: 3)),
                SafetensorsError.missingTensor(path: "m.safetensors", name: "bias"),
                SafetensorsError.unwritable(path: "m.safetensors", reason: "a name is empty"),
                SafetensorsError.Damage.tooShort(bytes: 3),
                SafetensorsError.Damage.headerTooLong(length: 900_000_000),
                SafetensorsError.Damage.headerBeyondEnd(length: 80, bytes: 40),
                SafetensorsError.Damage.tooManyTensors,
                SafetensorsError.Damage.syntax(offset: 7, expected: "a colon"),
                SafetensorsError.Damage.notUTF8(offset: 9),
                SafetensorsError.Damage.duplicateKey("w"),
                SafetensorsError.Damage.unknownField(tensor: "w", field: "x"),
                SafetensorsError.Damage.missingField(tensor: "w", field: "dtype"),
                SafetensorsError.Damage.unknownType(tensor: "w", type: "F7"),
                SafetensorsError.Damage.shapeOverflow(tensor: "w", shape: [1, 2]),
                SafetensorsError.Damage.offsetsOutOfRange(tensor: "w", begin: 0, end: 9, available: 8),
                SafetensorsError.Damage.wrongSize(tensor: "w", expected: 8, found: 4),
                SafetensorsError.Damage.notContiguous(tensor: "w", expected: 8, found: 4),
                SafetensorsError.Damage.wrongEnd(expected: 8, found: 4),
                TorchError.operation("aten::mm: shapes differ"),
                TorchError.shape("2 rows and 3"),
                TorchError.state("no parameter w"),
                TorchError.runtime("a generator gave no state"),
                TorchError.recording("a loop"),
                TorchError.communication("rank 1 is gone"),
                TorchError.unusable(.cuda(0), reason: "no driver", needsInstallation: true),
                TorchError.unusable(.cuda(9), reason: "this machine shows 1 CUDA devices", needsInstallation: false),
            ],
            declaredIn: [
                "Engine/Torch/Safetensors/SafetensorsError.swift",
                "Engine/Torch/Bridge/TorchError.swift",
            ])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}
