import W2VBase

/// An error of a safetensors file.
public enum SafetensorsError: ExplainedError, Equatable {
    /// The file cannot be opened or mapped.
    case unreadable(path: String, reason: String)
    /// The file is not a complete and valid safetensors file.
    case damaged(path: String, Damage)
    /// The file lacks a requested tensor.
    case missingTensor(path: String, name: String)
    /// The tensors cannot be represented in the format.
    case unwritable(path: String, reason: String)

    /// Input: a file, or tensors to write.
    public var kind: ErrorKind { .input }

    /// The problem with the file, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .unreadable(let path, let reason):
            Explanation("cannot read \(path): \(reason)")
        case .damaged(let path, let damage):
            Explanation("\(path) is not a valid safetensors file", "fetch or save it again", cause: damage)
        case .missingTensor(let path, let name):
            Explanation("\(path) has no tensor named \"\(name)\"", "check that it belongs to this kind of model")
        case .unwritable(let path, let reason):
            Explanation("cannot write \(path): \(reason)")
        }
    }
}

extension SafetensorsError {
    /// The ways in which a safetensors file can be damaged.
    public enum Damage: ExplainedError, Equatable {
        /// The file is shorter than the header's length field.
        case tooShort(bytes: Int)
        /// The header is longer than that of any real file.
        case headerTooLong(length: UInt64)
        /// The header ends after the end of the file.
        case headerBeyondEnd(length: Int, bytes: Int)
        /// The header lists more tensors than that of any real file.
        case tooManyTensors
        /// The header is not the JSON that the format prescribes.
        case syntax(offset: Int, expected: String)
        /// A string of the header is not UTF-8.
        case notUTF8(offset: Int)
        /// A name occurs twice in one object.
        case duplicateKey(String)
        /// A tensor has an unknown field.
        case unknownField(tensor: String, field: String)
        /// A tensor lacks one of its three fields.
        case missingField(tensor: String, field: String)
        /// A tensor's type is not one of the format's.
        case unknownType(tensor: String, type: String)
        /// A tensor's size exceeds 64 bits.
        case shapeOverflow(tensor: String, shape: [Int])
        /// A tensor's data begins after its own end, or ends after the end of the file.
        case offsetsOutOfRange(tensor: String, begin: Int, end: Int, available: Int)
        /// A tensor's data does not have the length of its type and shape.
        case wrongSize(tensor: String, expected: Int, found: Int)
        /// A tensor's data does not begin where the data before it ends.
        case notContiguous(tensor: String, expected: Int, found: Int)
        /// The file continues after the last tensor's data, or ends before the data begins.
        case wrongEnd(expected: Int, found: Int)

        /// Input: the file is invalid.
        public var kind: ErrorKind { .input }

        /// The expected and the found values.
        public var explanation: Explanation {
            switch self {
            case .tooShort(let bytes):
                Explanation("it has \(bytes) bytes where the header's length alone takes 8")
            case .headerTooLong(let length):
                Explanation("its header claims \(length) bytes where \(SafetensorsHeader.largest) is the most allowed")
            case .headerBeyondEnd(let length, let bytes):
                Explanation("its header claims \(length) bytes but the file has only \(bytes)")
            case .tooManyTensors:
                Explanation("its header lists more than \(SafetensorsHeader.mostTensors) tensors")
            case .syntax(let offset, let expected):
                Explanation("expected \(expected) at byte \(offset)")
            case .notUTF8(let offset):
                Explanation("the string at byte \(offset) is not UTF-8")
            case .duplicateKey(let key):
                Explanation("the name \"\(key)\" occurs twice")
            case .unknownField(let tensor, let field):
                Explanation("tensor \"\(tensor)\" has an unknown field \"\(field)\"")
            case .missingField(let tensor, let field):
                Explanation("tensor \"\(tensor)\" lacks the field \"\(field)\"")
            case .unknownType(let tensor, let type):
                Explanation("tensor \"\(tensor)\" has the unknown type \"\(type)\"")
            case .shapeOverflow(let tensor, let shape):
                Explanation("tensor \"\(tensor)\" has the impossible shape \(shape)")
            case .offsetsOutOfRange(let tensor, let begin, let end, let available):
                Explanation("tensor \"\(tensor)\" claims the data bytes \(begin) to \(end) of \(available)")
            case .wrongSize(let tensor, let expected, let found):
                Explanation(
                    "tensor \"\(tensor)\" should take \(expected) bytes by its type and shape, but has \(found)")
            case .notContiguous(let tensor, let expected, let found):
                Explanation(
                    "the data of tensor \"\(tensor)\" should begin at data byte \(expected), but begins at \(found)")
            case .wrongEnd(let expected, let found):
                Explanation("its tensors take \(expected) bytes of data, but \(found) are there")
            }
        }
    }
}
