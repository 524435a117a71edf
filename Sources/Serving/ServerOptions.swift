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
    /// A connection on which nothing moves for so many seconds, although something should, is closed.
    public var stallSeconds = 60.0
    /// Where uploads lie until they are answered, in a folder of the server's own.
    public var temporaryFolder = FileManager.default.temporaryDirectory

    /// Makes the usual options.
    public init() {}
}

/// What a server says of its model.
public struct ModelFacts: Sendable, Encodable {
    /// What the model is called.
    public var model: String
    /// Where it runs.
    public var device: String
    /// In which number format it computes.
    public var precision: String
    /// How its log-probabilities become text.
    public var decoder: String
    /// The version of the program.
    public var version: String

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
    /// The path, without the query.
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
    /// Listening failed and begins again; the sentence says why.
    case trouble(String)
}
