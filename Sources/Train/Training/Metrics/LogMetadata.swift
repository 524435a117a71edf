import Logging
import W2VBase

extension Encodable {
    /// The record's fields as metadata of a log line, by the names that they have in `metrics.jsonl`.
    var logMetadata: Logger.Metadata {
        let fields = (try? JSONValue(encoding: self).object)?.map { ($0.key, $0.value) } ?? []
        return Dictionary(fields.compactMap { name, value in value.logged.map { (name, $0) } }) { $1 }
    }
}

extension JSONValue {
    /// A Boolean, a number or a text as a value of metadata; nil for anything else.
    fileprivate var logged: Logger.MetadataValue? {
        switch self {
        case .bool(let truth): .stringConvertible(truth)
        case .integer(let count): .stringConvertible(count)
        case .number(let number): .stringConvertible(number)
        case .string(let text): .string(text)
        default: nil
        }
    }
}
