/// An error of a safetensors file.
public enum SafetensorsError: Error, Equatable, CustomStringConvertible {
    /// The file cannot be opened or mapped.
    case unreadable(path: String, reason: String)
    /// The file is not a complete and valid safetensors file.
    case damaged(path: String, SafetensorsDamage)
    /// The file lacks a tensor that was asked for.
    case missingTensor(path: String, name: String)
    /// The tensors cannot be represented in the format.
    case unwritable(path: String, reason: String)

    /// One sentence that names the file, what was expected, what was found, and what to do.
    public var description: String {
        switch self {
        case .unreadable(let path, let reason):
            "cannot read \(path): \(reason)"
        case .damaged(let path, let damage):
            "\(path) is not a valid safetensors file: \(damage); fetch or save it again"
        case .missingTensor(let path, let name):
            "\(path) has no tensor named \"\(name)\": check that it belongs to this kind of model"
        case .unwritable(let path, let reason):
            "cannot write \(path): \(reason)"
        }
    }
}

/// A kind of damage to a safetensors file.
public enum SafetensorsDamage: Error, Equatable, CustomStringConvertible {
    /// The file has fewer bytes than the header's length field.
    case tooShort(bytes: Int)
    /// The header is implausibly long.
    case headerTooLong(length: UInt64)
    /// The header ends after the file does.
    case headerBeyondEnd(length: Int, bytes: Int)
    /// The header lists an implausible number of tensors.
    case tooManyTensors
    /// The header is not the JSON that the format prescribes.
    case syntax(offset: Int, expected: String)
    /// A string of the header is not UTF-8.
    case notUTF8(offset: Int)
    /// A name occurs twice in one object.
    case duplicateKey(String)
    /// A tensor has a field that the format does not know.
    case unknownField(tensor: String, field: String)
    /// A tensor lacks one of its three fields.
    case missingField(tensor: String, field: String)
    /// A tensor's type is not one of the format's.
    case unknownType(tensor: String, type: String)
    /// A tensor's size does not fit into 64 bits.
    case shapeOverflow(tensor: String, shape: [Int])
    /// A tensor's data begins after its end or ends after the file does.
    case offsetsOutOfRange(tensor: String, begin: Int, end: Int, available: Int)
    /// The length of a tensor's data does not match its type and shape.
    case wrongSize(tensor: String, expected: Int, found: Int)
    /// A tensor's data does not begin where the data before it ends.
    case notContiguous(tensor: String, expected: Int, found: Int)
    /// The file continues after the last tensor's data, or ends before the data begins.
    case wrongEnd(expected: Int, found: Int)

    /// The expected and the found content.
    public var description: String {
        switch self {
        case .tooShort(let bytes):
            "it has \(bytes) bytes where the header's length alone takes 8"
        case .headerTooLong(let length):
            "its header claims \(length) bytes where \(SafetensorsHeader.largest) is the most allowed"
        case .headerBeyondEnd(let length, let bytes):
            "its header claims \(length) bytes but the file has only \(bytes)"
        case .tooManyTensors:
            "its header lists more than \(SafetensorsHeader.mostTensors) tensors"
        case .syntax(let offset, let expected):
            "expected \(expected) at byte \(offset)"
        case .notUTF8(let offset):
            "the string at byte \(offset) is not UTF-8"
        case .duplicateKey(let key):
            "the name \"\(key)\" occurs twice"
        case .unknownField(let tensor, let field):
            "tensor \"\(tensor)\" has an unknown field \"\(field)\""
        case .missingField(let tensor, let field):
            "tensor \"\(tensor)\" lacks the field \"\(field)\""
        case .unknownType(let tensor, let type):
            "tensor \"\(tensor)\" has the unknown type \"\(type)\""
        case .shapeOverflow(let tensor, let shape):
            "tensor \"\(tensor)\" has the impossible shape \(shape)"
        case .offsetsOutOfRange(let tensor, let begin, let end, let available):
            "tensor \"\(tensor)\" claims the data bytes \(begin) to \(end) of \(available)"
        case .wrongSize(let tensor, let expected, let found):
            "tensor \"\(tensor)\" should take \(expected) bytes by its type and shape, but has \(found)"
        case .notContiguous(let tensor, let expected, let found):
            "the data of tensor \"\(tensor)\" should begin at data byte \(expected), but begins at \(found)"
        case .wrongEnd(let expected, let found):
            "its tensors take \(expected) bytes of data, but \(found) are there"
        }
    }
}
