import CW2VLibTorch

/// An error of LibTorch, the tensor library or a tensor file.
public enum TorchError: Error, CustomStringConvertible, Sendable {
    /// An operator rejected its arguments; the message has the operator's name and the arguments' shapes.
    case operation(String)
    /// Shapes that do not fit each other or the operation.
    case shape(String)
    /// A parameter is missing, unexpected or has another shape when a state is loaded.
    case state(String)
    /// A device or library is missing.
    case runtime(String)
    /// Work cannot be recorded for replay.
    case recording(String)
    /// Another process is gone, or did not respond in time.
    case communication(String)

    /// The message.
    public var description: String {
        switch self {
        case .operation(let message), .shape(let message), .state(let message), .runtime(let message),
            .recording(let message), .communication(let message):
            return message
        }
    }

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
