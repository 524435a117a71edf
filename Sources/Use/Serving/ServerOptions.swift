import Foundation

/// Where a server listens and what it accepts.
public struct ServerOptions: Sendable {
    /// The address or name of the interface that it listens on.
    public var host = "127.0.0.1"
    /// The port; 0 lets the system choose one.
    public var port: UInt16 = 8080
    /// The longest body of a request, in bytes.
    public var maximumUploadBytes = 256 << 20
    /// The longest recording, in seconds.
    public var maximumAudioSeconds = 7200.0
    /// How many requests may wait for the model, and how many live inputs may be open.
    public var maximumWaiting = 64
    /// The number of seconds after which a stalled connection is closed.
    public var stallSeconds = 60.0
    /// Origins of pages elsewhere that may use the server, such as `https://app.example.org`; `*` is any page.
    public var allowedOrigins: [String] = []
    /// Names in addition to `host` and `localhost` that requests may call the server by.
    ///
    /// Checked where the server listens on a loopback address, and where there are any; addresses are always allowed.
    public var allowedHosts: [String] = []
    /// Where uploads lie until they are answered, in a folder of the server's own; it must exist.
    public var temporaryFolder = FileManager.default.temporaryDirectory

    /// Makes the usual options.
    public init() {}
}

/// What a server says of its model.
public struct ModelFacts: Sendable, Encodable {
    /// What the model is called: the path of its folder.
    public var model: String
    /// Where it runs.
    public var device: String
    /// In which number format it computes.
    public var precision: String
    /// How its log-probabilities become text.
    public var decoder: String
    /// The version of the program.
    public var version: String

    /// What clients call the model: the folder's name, or that of the run whose `best`, `last` or `update-N` it is.
    ///
    /// The path is not for them: it shows how the server's disk is laid out.
    public var name: String {
        let parts = model.split(separator: "/").filter { $0 != "." && $0 != ".." }.map(String.init)
        let isState = parts.last.map { ["best", "last"].contains($0) || $0.hasPrefix("update-") } ?? false
        return (isState ? parts.dropLast().last : nil) ?? parts.last ?? model
    }

    /// Makes facts.
    ///
    /// - Parameters:
    ///   - model: What the model is called.
    ///   - device: Where it runs.
    ///   - precision: In which number format it computes.
    ///   - decoder: How its log-probabilities become text.
    ///   - version: The version of the program.
    public init(model: String, device: String, precision: String, decoder: String, version: String) {
        self.model = model
        self.device = device
        self.precision = precision
        self.decoder = decoder
        self.version = version
    }
}

/// A request that was answered.
public struct ServedRequest: Sendable, Encodable, Equatable {
    /// The method.
    public var method: String
    /// The path, without the query, decoded: it may hold any characters.
    public var path: String
    /// The status of the answer; 499 where the client had gone, 101 for live input that has ended.
    public var status: Int
    /// The seconds of audio in it.
    public var audioSeconds: Double
    /// How long it took, in seconds, the upload included.
    public var seconds: Double
}

/// What happens on a server.
public enum ServerEvent: Sendable {
    /// A request was answered.
    case served(ServedRequest)
    /// Something of the server's failed: listening, which is tried again, or a request that is not to blame. The sentence says
    /// why.
    case trouble(String)
}
