/// The limits of a connection.
struct ConnectionLimits: Sendable {
    /// The most bytes of a request's head.
    var headBytes = 16_384
    /// The most header fields of a request.
    var headFields = 100
    /// The most bytes of a request's body.
    var bodyBytes: Int
    /// The seconds without any byte after which a connection is closed.
    var stallSeconds: Double
    /// The seconds in which a head has to arrive.
    var headSeconds: Double { min(30, stallSeconds) }
    /// The seconds after which a connection that waits for its next request is closed to make room for others.
    var idleSeconds: Double { min(5, stallSeconds) }
    /// The least bytes per second of a body that the server waits for, beyond the first two stalls.
    var leastRate = 512.0
    /// The most bytes of a WebSocket's message.
    var messageBytes = 4 << 20
}
