/// The description of a server's model.
public struct ModelFacts: Sendable, Encodable {
    /// The path of the model's folder.
    public var model: String
    /// The device of the model.
    public var device: String
    /// The number formats of the model.
    public var precision: String
    /// The decoder of its log-probabilities.
    public var decoder: String
    /// The version of the program.
    public var version: String

    /// The model's name for clients: the folder's name, or that of the run for its `best`, `last` or `update-N`.
    ///
    /// The path is not for clients, since it reveals the layout of the server's disk.
    public var name: String {
        let parts = model.split(separator: "/").filter { $0 != "." && $0 != ".." }.map(String.init)
        let isState = parts.last.map { ["best", "last"].contains($0) || $0.hasPrefix("update-") } ?? false
        return (isState ? parts.dropLast().last : nil) ?? parts.last ?? model
    }

    /// Makes a description.
    ///
    /// - Parameters:
    ///   - model: The path of the model's folder.
    ///   - device: The device of the model.
    ///   - precision: The number formats of the model.
    ///   - decoder: The decoder of its log-probabilities.
    ///   - version: The version of the program.
    public init(model: String, device: String, precision: String, decoder: String, version: String) {
        self.model = model
        self.device = device
        self.precision = precision
        self.decoder = decoder
        self.version = version
    }
}
