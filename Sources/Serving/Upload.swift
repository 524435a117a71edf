import FlyingFox
import Foundation

/// A file that is deleted when nobody needs it any more.
final class TemporaryFile: Sendable {
    /// Where it is.
    let url: URL

    /// Makes an empty file.
    ///
    /// - Parameters:
    ///   - folder: Where.
    ///   - ending: How its name ends, without the dot.
    /// - Throws: `RequestError` where it cannot be made.
    init(in folder: URL, ending: String = "") throws {
        var url = folder.appendingPathComponent(UUID().uuidString)
        if !ending.isEmpty { url.appendPathExtension(ending) }
        let descriptor = open(url.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure() }
        close(descriptor)
        self.url = url
    }

    deinit { unlink(url.path) }

    /// Opens it for writing.
    func writer() throws -> FileHandle {
        do { return try FileHandle(forWritingTo: url) } catch { throw Self.failure() }
    }

    private static func failure() -> RequestError {
        RequestError(
            status: .internalServerError, type: "storage",
            message: "The server cannot store the upload (\(String(cString: strerror(errno)))).")
    }
}

/// What a client has sent: a file, and the fields beside it.
struct Upload: Sendable {
    /// The file.
    var file: TemporaryFile
    /// What the client calls it.
    var name: String
    /// How many bytes it has.
    var byteCount: Int
    /// The form's fields.
    var fields: [String: String]

    /// The name without its ending.
    var stem: String { (name as NSString).deletingPathExtension }

    private static let longestFields = 65_536

    /// Receives a request's body into a temporary file.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - body: Its body: the file itself, or a form with a part named `file`.
    ///   - folder: Where the temporary file is made.
    /// - Returns: The upload.
    /// - Throws: `RequestError` for a body that is none of these or too large; `SocketError` where the client has gone.
    static func receive(_ request: HTTPRequest, _ body: RequestBody, in folder: URL) async throws -> Upload {
        guard body.hasLength else { throw RequestError.noLength }
        if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            throw RequestError(
                status: .unsupportedMediaType, type: "unsupported_media_type",
                message: "The body's Content-Encoding is \(encoding); send it as it is.")
        }
        let contentType = request.headers[.contentType] ?? ""
        if Multipart.parameters(contentType).value == "multipart/form-data" {
            return try await receiveForm(contentType, body, in: folder)
        }
        let name = safeName(request.query["filename"])
        let file = try TemporaryFile(in: folder, ending: ending(of: name))
        var writer = try BlockWriter(file)
        while let bytes = try await body.next() { try writer.append(bytes) }
        return Upload(file: file, name: name, byteCount: try writer.finish(), fields: [:])
    }

    private static func receiveForm(
        _ contentType: String, _ body: RequestBody, in folder: URL
    ) async throws -> Upload {
        var form = try Multipart(contentType: contentType)
        var upload: Upload?
        var writer: BlockWriter?
        var fields: [String: String] = [:]
        var field = ""
        var value = Data()
        var fieldBytes = 0
        func endPart() throws {
            if let writer = writer.take() {
                upload?.byteCount = try writer.finish()
            } else if !field.isEmpty {
                fields[field] = String(decoding: value, as: UTF8.self)
            }
            value.removeAll()
            field = ""
        }
        while let bytes = try await body.next() {
            try form.append(bytes) { event in
                switch event {
                case .part("file", let filename) where upload == nil:
                    try endPart()
                    let name = safeName(filename)
                    let file = try TemporaryFile(in: folder, ending: ending(of: name))
                    upload = Upload(file: file, name: name, byteCount: 0, fields: [:])
                    writer = try BlockWriter(file)
                case .part(let name, _):
                    try endPart()
                    field = name
                case .data(let bytes) where writer != nil: try writer?.append(bytes)
                case .data(let bytes):
                    fieldBytes += bytes.count
                    guard fieldBytes <= longestFields else {
                        throw RequestError.bad("The form's fields beside the file have more than 64 KB.")
                    }
                    value.append(bytes)
                }
            }
        }
        try endPart()
        guard form.isComplete else {
            throw RequestError.bad("The multipart body ends before its last boundary; send it again.")
        }
        guard var upload else {
            throw RequestError.bad(
                "The form has no part named file; send the recording as one (curl -F file=@talk.wav).")
        }
        upload.fields = fields
        return upload
    }

    /// A client's name for a file, as far as it is harmless.
    static func safeName(_ name: String?) -> String {
        let last = (name ?? "").split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? ""
        let clean = last.unicodeScalars.filter { $0.properties.generalCategory != .control }.prefix(200)
        let text = String(String.UnicodeScalarView(clean)).trimmingCharacters(in: .whitespaces)
        return text.isEmpty || text == "." || text == ".." ? "audio" : text
    }

    /// How the name ends: raw codecs are told by it.
    private static func ending(of name: String) -> String {
        let ending = (name as NSString).pathExtension.lowercased()
        let isHarmless =
            ending.utf8.count <= 8 && ending.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) }
        return isHarmless ? ending : ""
    }
}

/// Writes a file in blocks: a connection gives a few kilobytes at a time.
private struct BlockWriter {
    private let handle: FileHandle
    private var block = Data()
    private var count = 0

    init(_ file: TemporaryFile) throws { handle = try file.writer() }

    mutating func append(_ bytes: Data) throws {
        block.append(bytes)
        if block.count >= 262_144 { try flush() }
    }

    /// Writes the rest; gives the number of bytes.
    consuming func finish() throws -> Int {
        try flush()
        try handle.close()
        return count
    }

    private mutating func flush() throws {
        do {
            try handle.write(contentsOf: block)
        } catch {
            throw RequestError(
                status: .internalServerError, type: "storage",
                message: "The server cannot store the upload; its disk may be full.")
        }
        count += block.count
        block.removeAll(keepingCapacity: true)
    }
}
