import Foundation
import Logging

extension Encodable {
    /// The record's fields as metadata of a log line, by the names that they have in `metrics.jsonl`.
    var logMetadata: Logger.Metadata {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let fields = try? JSONDecoder().decode([String: Field].self, from: encoder.encode(self))
        return (fields ?? [:]).mapValues(\.value)
    }
}

/// A field of a record: a Boolean, a number or a text.
private struct Field: Decodable {
    let value: Logger.MetadataValue

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let truth = try? container.decode(Bool.self) {
            value = .stringConvertible(truth)
        } else if let count = try? container.decode(Int.self) {
            value = .stringConvertible(count)
        } else if let number = try? container.decode(Double.self) {
            value = .stringConvertible(number)
        } else {
            value = .string(try container.decode(String.self))
        }
    }
}
