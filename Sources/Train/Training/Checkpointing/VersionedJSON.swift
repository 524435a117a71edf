import Foundation

/// JSON with keys in snake case and a `format_version`: the form of a run's record and state.
enum VersionedJSON {
    private struct Version: Decodable { var formatVersion: Int }

    /// Encodes a value for people and programs: with sorted keys, one a line.
    ///
    /// NaN and infinite numbers are words: a metric may be infinite even if the loss is finite.
    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try encoder.encode(value)
    }

    /// Decodes what ``encode(_:)`` wrote.
    ///
    /// - Parameters:
    ///   - file: The file that holds the data, for errors.
    ///   - newest: The newest format that this program reads.
    /// - Throws: ``TrainingError/damagedState(path:reason:advice:)`` for a newer format; `DecodingError`.
    static func decode<Value: Decodable>(
        _ type: Value.Type, from data: Data, in file: URL, newest: Int
    ) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        let version = try decoder.decode(Version.self, from: data).formatVersion
        guard version <= newest else {
            throw TrainingError.damagedState(
                path: file.path,
                reason: "a newer version of this program wrote it (format \(version), and this one reads format "
                    + "\(newest))", advice: "continue with that version")
        }
        return try decoder.decode(type, from: data)
    }
}
