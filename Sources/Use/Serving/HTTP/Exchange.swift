import NIOCore

/// A request that is being answered.
final class Exchange {
    let request: Request
    var task: Task<Void, Never>?
    var isBodyComplete: Bool
    var keepsAlive: Bool
    var expectsContinue: Bool
    var hasReplied = false
    /// When the current wait for the body began.
    private var waitStart: NIODeadline?
    /// The time spent waiting for the body.
    private var waited = TimeAmount.zero
    /// Whether the connection has begun to read the body.
    var hasBegunBody = false

    init(_ request: Request, keepsAlive: Bool, expectsContinue: Bool) {
        self.request = request
        self.keepsAlive = keepsAlive
        self.expectsContinue = expectsContinue
        isBodyComplete = false
    }

    /// Whether somebody waits for more of the body.
    var isWaiting: Bool { waitStart != nil }

    /// Notes that somebody waits for more of the body.
    ///
    /// - Returns: The time that the client has for the next bytes: a whole body may not drip forever.
    func beginWait(_ limits: ConnectionLimits) -> TimeAmount {
        waitStart = .now()
        let allowance = 2 * limits.stallSeconds + Double(request.body.received) / limits.leastRate
        let left = allowance - Double(waited.nanoseconds) / 1e9
        return .init(seconds: min(limits.stallSeconds, left))
    }

    /// Notes that more of the body has come.
    ///
    /// - Returns: Whether somebody has waited for it.
    func endWait() -> Bool {
        guard let start = waitStart else { return false }
        waited = waited + (NIODeadline.now() - start)
        waitStart = nil
        return true
    }
}
