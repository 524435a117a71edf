import TestSupport
import Testing
import W2VKernels
import W2VTorch

/// The messages for operands that do not fit.
@Suite(.onTestThreads) struct ErrorTests {
    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test func shapesAreNamed() throws {
        let left = try Tensor.zeros([2, 3])
        let right = try Tensor.zeros([4, 5])
        for (name, body) in [
            ("aten::matmul", { _ = try left.matmul(right) }), ("aten::add.Tensor", { _ = try left + right }),
            ("aten::cat", { _ = try Tensor.concatenate([left, right]) }),
        ] as [(String, () throws -> Void)] {
            let text = message(body)
            #expect(text.contains(name) && text.contains("[2, 3]") && text.contains("[4, 5]"), "\(text)")
        }
    }

    @Test func missingOperator() {
        let text = message { try TorchOperator("aten::no_such_operator").run() }
        #expect(text.contains("aten::no_such_operator"))
    }

    @Test func wrongArguments() throws {
        let tensor = try Tensor.zeros([2])
        #expect(message { try TorchOperator("aten::exp")() }.contains("'self' is missing"))
        #expect(
            message { try TorchOperator("aten::exp")(.tensor(tensor), .int(1)) }.contains("takes 1 arguments, not 2"))
    }

    @Test(arguments: ["string", "double", "list", "none", "object", "tensors"])
    func wrongKindOfArgument(_ kind: String) throws {
        let tensor = try Tensor.zeros([2, 2])
        let wrong: TorchOperator.Argument
        switch kind {
        case "string": wrong = .string("one")
        case "double": wrong = .double(0.5)
        case "list": wrong = .doubles([1])
        case "object": wrong = .generator(try Generator(seed: 1))
        case "tensors": wrong = .tensors([tensor])
        default: wrong = .none
        }
        let select = message { try TorchOperator("aten::select", "int")(.tensor(tensor), wrong, .int(0)) }
        #expect(select.contains("aten::select.int"), "\(select)")
        let sum = message { try TorchOperator("aten::sum", "dim_IntList")(.tensor(tensor), .ints([0]), wrong) }
        #expect(sum.contains("aten::sum.dim_IntList"), "\(sum)")
        if kind != "tensors" {
            let cat = message { try TorchOperator("aten::cat")(wrong) }
            #expect(cat.contains("aten::cat"), "\(cat)")
        }
        let exp = message { try TorchOperator("aten::exp")(wrong) }
        #expect(exp.contains("aten::exp"), "\(exp)")
    }

    @Test func severalResultsWhereOneIsExpected() throws {
        let tensor = try Tensor.zeros([2, 2])
        let text = message {
            _ = try TorchOperator("aten::var_mean", "correction")(.tensor(tensor), .ints([0]), .int(0), .bool(false))
        }
        #expect(text.contains("aten::var_mean") && text.contains("one tensor"))
    }

    @Test func hostMemory() throws {
        #expect(message { _ = try Tensor([1, 2, 3] as [Float], shape: [2, 2]) }.contains("[2, 2], which holds 4"))
        #expect(message { _ = try Tensor.zeros([2, 2]).item() }.contains("[2, 2]"))
        let strided = try Tensor.zeros([2, 3]).transposed()
        #expect(message { try strided.withUnsafeMutableBytes { _ in } }.contains("not contiguous"))
    }

    @Test func missingDevice() {
        guard (try? Device.cuda(0).prepare()) == nil else { return }
        #expect { try Device.cuda(0).prepare() } throws: {
            if case TorchError.unusable(.cuda(0), _, _) = $0 { true } else { false }
        }
        #expect(message { _ = try Tensor.zeros([1], device: .cuda(0)) } != "no error")
    }
}
