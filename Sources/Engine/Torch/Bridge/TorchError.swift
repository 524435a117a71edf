import CW2VLibTorch
import W2VBase

/// An error of LibTorch, the tensor library or a tensor file.
public enum TorchError: ExplainedError {
    /// An operator rejected its arguments; the message has the operator's name and the arguments' shapes.
    case operation(String)
    /// Shapes that do not fit each other or the operation.
    case shape(String)
    /// A parameter is missing, unexpected or has another shape when a state is loaded.
    case state(String)
    /// A device or library is missing.
    case runtime(String)
    /// A device cannot be used; `needsInstallation` says that a library for it is missing.
    case unusable(Device, reason: String, needsInstallation: Bool)
    /// Work cannot be recorded for replay.
    case recording(String)
    /// Another process is gone, or did not respond in time.
    case communication(String)

    /// Failure: of a device, a library, another process, or of the code that calls.
    public var kind: ErrorKind { .failure }

    /// The message, or why the device cannot be used and what to do.
    public var explanation: Explanation {
        switch self {
        case .operation(let message), .shape(let message), .state(let message), .runtime(let message),
            .recording(let message), .communication(let message):
            Explanation(message)
        case .unusable(let device, let reason, true):
            Explanation("\(device) cannot be used: \(reason)", "\(.installCUDA), or \(.useCPU)")
        case .unusable(let device, let reason, false):
            Explanation("\(device) cannot be used: \(reason)", "\(.useCPU)")
        }
    }

    /// The explanation in one piece; LibTorch's messages keep their lines.
    public var description: String { explanation.problem + (explanation.advice.map { "; \($0)" } ?? "") }

    /// Throws the bridge's message, if there is one.
    static func check(_ error: ct_error?) throws {
        guard let error else { return }
        defer { ct_free(error) }
        throw TorchError.operation(message(error))
    }

    /// Throws the bridge's message about other processes, if there is one.
    static func checkCommunication(_ error: ct_error?) throws {
        guard let error else { return }
        defer { ct_free(error) }
        throw TorchError.communication(message(error))
    }

    /// Returns the message without the developer hints that CUDA adds to its errors, line by line.
    private static func message(_ error: ct_error) -> String {
        let text = String(cString: error)
        return text.contains("CUDA error") ? String(text.prefix { !$0.isNewline }) : text
    }
}

extension Phrase {
    /// Advice to install LibTorch's CUDA libraries.
    public static let installCUDA = Phrase("install LibTorch's CUDA libraries", name: "installCUDA")
    /// Advice to use the CPU.
    public static let useCPU = Phrase("use the CPU", name: "useCPU")
}
