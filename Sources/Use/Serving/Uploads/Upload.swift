import Foundation

/// A client's upload: a file, and the parameters beside it.
struct Upload: Sendable {
    /// The file.
    var file: TemporaryFile
    /// The client's name for the file.
    var name: String
    /// The file's size in bytes.
    var byteCount: Int
    /// The parameters of the query and the form's fields.
    var parameters: Parameters

    /// The name without its extension.
    var stem: String { (name as NSString).deletingPathExtension }

    /// The most bytes of a form's fields with their names.
    private static let longestFields = 1 << 20
    /// The bytes that a field takes besides its name and value.
    private static let fieldOverhead = 64

    /// Stores a request's body in a temporary file.
    ///
    /// - Parameters:
    ///   - call: The request: its body is the file itself, or a form with a part named `file`.
    ///   - folder: The folder of the temporary file.
    /// - Returns: The upload.
    /// - Throws: `RequestError` for a body that is neither, or is too large.
    static func receive(_ call: Call, in folder: UploadFolder) async throws -> Upload {
        guard call.request.body.hasLength else { throw RequestError.noLength }
        if let encoding = call.request["Content-Encoding"], encoding.lowercased() != "identity" {
            throw RequestError(
                status: .unsupportedMediaType, type: "unsupported_media_type",
                "The body's Content-Encoding is \(encoding)", "send it as it is")
        }
        if call.hasForm { return try await receiveForm(call, in: folder) }
        let parameters = try call.parameters()
        let name = safeName(parameters["filename"])
        var writer = BlockWriter(try TemporaryFile(in: folder, ending: ending(of: name)))
        while let bytes = try await call.request.body.next() { try writer.append(bytes) }
        return Upload(file: writer.file, name: name, byteCount: try writer.finish(), parameters: parameters)
    }

    private static func receiveForm(_ call: Call, in folder: UploadFolder) async throws -> Upload {
        var form = try Multipart(contentType: call.request["Content-Type"] ?? "")
        var fields: [(name: String, value: String)] = []
        var file: (writer: BlockWriter, name: String?)?
        var isFile = false
        var field = ""
        var value = Data()
        var fieldBytes = 0
        func count(_ bytes: Int) throws {
            fieldBytes += bytes
            guard fieldBytes <= longestFields else {
                throw RequestError.bad(
                    "The form's fields beside the file, with their names, have more than \(longestFields >> 20) MB")
            }
        }
        func endPart() throws {
            if isFile {
                try file?.writer.flush()
            } else if !field.isEmpty {
                fields.append((field, String(decoding: value, as: UTF8.self)))
            }
            value.removeAll()
            (isFile, field) = (false, "")
        }
        while let bytes = try await call.request.body.next() {
            try form.append(bytes) { event in
                switch event {
                case .part("file", let filename):
                    try endPart()
                    guard file == nil else {
                        throw RequestError.bad(
                            "The form has more than one part named file", "send one recording a request")
                    }
                    let suffix = ending(of: safeName(filename))
                    file = (BlockWriter(try TemporaryFile(in: folder, ending: suffix)), filename)
                    isFile = true
                case .part(let name, let filename):
                    try endPart()
                    try count(name.utf8.count + fieldOverhead)
                    if let filename, !call.names.knows(name) {
                        throw RequestError.bad(
                            "The form has a file (\(safeName(filename))) in a part named \"\(name.prefix(80))\"",
                            "send the recording in one named file (curl -F file=@talk.wav)")
                    }
                    // Checked before the recording arrives, which may take a while.
                    try call.names.check(name, for: call.path)
                    field = name
                case .data(let bytes) where isFile: try file?.writer.append(bytes)
                case .data(let bytes):
                    try count(bytes.count)
                    value.append(bytes)
                }
            }
        }
        guard form.isComplete else {
            throw RequestError.bad("The multipart body ends before its last boundary", "send it again")
        }
        try endPart()
        guard var file else {
            throw RequestError.bad(
                "The form has no part named file", "send the recording as one (curl -F file=@talk.wav)")
        }
        let parameters = try call.parameters(adding: fields)
        let name = safeName(parameters["filename"] ?? file.name)
        return Upload(
            file: file.writer.file, name: name, byteCount: try file.writer.finish(), parameters: parameters)
    }

    /// Returns the safe part of a client's name for a file.
    static func safeName(_ name: String?) -> String {
        let last = (name ?? "").split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? ""
        let clean = last.unicodeScalars.filter { $0.properties.generalCategory != .control }.prefix(200)
        let text = String(String.UnicodeScalarView(clean)).trimmingCharacters(in: .whitespaces)
        return text.isEmpty || text == "." || text == ".." ? "audio" : text
    }

    /// Returns the name's extension, which identifies raw codecs.
    private static func ending(of name: String) -> String {
        let ending = (name as NSString).pathExtension.lowercased()
        let isHarmless =
            ending.utf8.count <= 8 && ending.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) }
        return isHarmless ? ending : ""
    }
}

/// Writes a file in large blocks, since a connection delivers a few kilobytes at a time.
private struct BlockWriter {
    let file: TemporaryFile
    private var block = Data()
    private var count = 0

    init(_ file: TemporaryFile) { self.file = file }

    mutating func append(_ bytes: Data) throws {
        block.append(bytes)
        if block.count >= 262_144 { try flush() }
    }

    /// Writes the buffered bytes.
    mutating func flush() throws {
        try block.withUnsafeBytes { try file.write($0) }
        count += block.count
        block.removeAll(keepingCapacity: true)
    }

    /// Writes the rest and returns the number of bytes.
    mutating func finish() throws -> Int {
        try flush()
        file.close()
        return count
    }
}
