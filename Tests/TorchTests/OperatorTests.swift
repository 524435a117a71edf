import TestSupport
import Testing
import W2VTorch

/// Every kind of argument and result that crosses the bridge.
@Suite(.onTestThreads) struct OperatorTests {
    let matrix: Tensor

    init() throws {
        matrix = try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
    }

    @Test func tensorsNumbersAndDefaults() throws {
        let add = TorchOperator("aten::add", "Tensor")
        #expect(try add(.tensor(matrix), .tensor(matrix)).elements(Float.self) == [2, 4, 6, 8, 10, 12])
        #expect(try add(.tensor(matrix), .tensor(matrix), .int(2)).elements(Float.self) == [3, 6, 9, 12, 15, 18])
        #expect(try add(.tensor(matrix), .tensor(matrix), .double(0.5)).elements(Float.self)[0] == 1.5)
    }

    @Test func intForFloatArgument() throws {
        let dropout = TorchOperator("aten::dropout")
        #expect(try dropout(.tensor(matrix), .int(1), .bool(true)).sum().item() == 0)
        // An optional float, too: `nan` of nan_to_num.
        let filled = try TorchOperator("aten::nan_to_num")(.tensor(Tensor([Float.nan, 1])), .int(7))
        #expect(try filled.elements(Float.self) == [7, 1])
    }

    @Test func stringArgument() throws {
        let divide = TorchOperator("aten::div", "Tensor_mode")
        let two = try Tensor.full([1], 2)
        #expect(try divide(.tensor(matrix), .tensor(two), .string("floor")).elements(Float.self) == [0, 1, 1, 2, 2, 3])
        #expect(try divide(.tensor(matrix), .tensor(two), .none).elements(Float.self)[0] == 0.5)
    }

    @Test func intListAndBool() throws {
        let sum = try TorchOperator("aten::sum", "dim_IntList")(.tensor(matrix), .ints([1]), .bool(true))
        #expect(sum.shape == [2, 1])
        #expect(try sum.elements(Float.self) == [6, 15])
    }

    @Test func doubleList() throws {
        let upsampled = try TorchOperator("aten::upsample_nearest1d", "vec")(
            .tensor(matrix.unsqueezed(0)), .none, .doubles([2]))
        #expect(upsampled.shape == [1, 2, 6])
    }

    @Test func boolListAndPartlyAbsentResults() throws {
        let results = try TorchOperator("aten::native_layer_norm_backward").values(
            .tensor(Tensor.ones([2, 3])), .tensor(matrix), .ints([3]), .tensor(Tensor.zeros([2, 1])),
            .tensor(Tensor.ones([2, 1])), .tensor(Tensor.ones([3])), .tensor(Tensor.zeros([3])),
            .bools([false, true, true]))
        #expect(results.count == 3)
        guard case .none = results[0], case .tensor(let weight) = results[1] else {
            Issue.record("wanted nothing, then a tensor: \(results)")
            return
        }
        #expect(try weight.elements(Float.self) == [5, 7, 9])
    }

    @Test func tensorLists() throws {
        #expect(try TorchOperator("aten::cat")(.tensors([matrix, matrix]), .int(1)).shape == [2, 6])
        let columns = try Tensor([2, 0])
        let picked = try TorchOperator("aten::index", "Tensor")(.tensor(matrix), .optionalTensors([nil, columns]))
        #expect(try picked.elements(Float.self) == [3, 1, 6, 4])
        let parts = try TorchOperator("aten::unbind", "int").values(.tensor(matrix))
        guard case .tensors(let rows) = parts[0] else {
            Issue.record("wanted a list of tensors: \(parts)")
            return
        }
        #expect(rows.compactMap { $0?.shape } == [[3], [3]])
    }

    @Test func dtypeDeviceAndMemoryFormat() throws {
        let converted = try TorchOperator("aten::to", "device")(
            .tensor(matrix.transposed()), .device(.cpu), .dtype(.float64), .bool(false), .bool(true),
            .memoryFormat(.contiguous))
        #expect(converted.dtype == .float64 && converted.device == .cpu && converted.isContiguous)
        let kept = try TorchOperator("aten::clone")(.tensor(matrix.transposed()), .memoryFormat(.preserve))
        #expect(kept.strides == [1, 3])
    }

    @Test func generatorArgument() throws {
        let first = try Tensor.uniform([8], generator: Generator(seed: 5))
        let second = try Tensor.uniform([8], generator: Generator(seed: 5))
        #expect(try first.elements(Float.self) == second.elements(Float.self))
    }

    @Test func opaqueObjects() throws {
        let int8Quantized = 12
        let quantized = try TorchOperator("aten::quantize_per_tensor")(
            .tensor(matrix), .double(0.5), .int(0), .int(int8Quantized))
        let packed = try TorchOperator("quantized::linear_prepack").values(.tensor(quantized), .none)
        guard case .object(let object) = packed[0] else {
            Issue.record("wanted an object: \(packed)")
            return
        }
        let product = try TorchOperator("quantized::linear_dynamic")(
            .tensor(Tensor.ones([1, 3])), .object(object), .bool(false))
        #expect(try relativeError(product, Tensor([6, 15] as [Float], shape: [1, 2])) < 0.02)
        let unpacked = try TorchOperator("quantized::linear_unpack").values(.object(object))
        #expect(unpacked.count == 2)
    }

    @Test func multipleAndScalarResults() throws {
        let both = try TorchOperator("aten::var_mean", "correction").tensors(
            .tensor(matrix), .ints([1]), .int(0), .bool(false))
        #expect(both.count == 2)
        #expect(try both[1].elements(Float.self) == [2, 5])
        let same = try TorchOperator("aten::is_same_size").values(.tensor(matrix), .tensor(matrix))
        guard case .bool(true) = same[0] else {
            Issue.record("wanted true: \(same)")
            return
        }
        let number = try TorchOperator("aten::_local_scalar_dense").values(.tensor(Tensor([Int64(3)])))
        guard case .int(3) = number[0] else {
            Issue.record("wanted 3: \(number)")
            return
        }
    }

    @Test func manyThreadsAtOnce() async throws {
        let weight = try Tensor.normal([32, 32], generator: Generator(seed: 1)).requiringGradient()
        let expected = try (weight.matmul(weight)).sum().gradients(of: [weight])[0].map { try $0.elements(Float.self) }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    var same = true
                    for _ in 0..<20 {
                        let found = try weight.matmul(weight).sum().gradients(of: [weight])[0]
                        same = try same && found?.elements(Float.self) == expected
                    }
                    return same
                }
            }
            for try await same in group { #expect(same) }
        }
    }
}
