import NIOCore

/// A deadline on an event loop that costs nothing to move further away, which happens with every request.
final class Alarm {
    private let loop: any EventLoop
    private let action: () -> Void
    private var deadline: NIODeadline?
    private var scheduled: (task: Scheduled<Void>, time: NIODeadline)?

    /// Makes an alarm without a deadline, to be used on the event loop only.
    ///
    /// - Parameters:
    ///   - loop: The event loop.
    ///   - action: Called when the deadline has passed.
    init(on loop: any EventLoop, _ action: @escaping () -> Void) {
        self.loop = loop
        self.action = action
    }

    /// Sets the deadline, which replaces any other.
    func set(_ time: TimeAmount) {
        let deadline = NIODeadline.now() + time
        self.deadline = deadline
        if let scheduled, scheduled.time <= deadline { return }
        scheduled?.task.cancel()
        schedule(deadline)
    }

    /// Removes the deadline.
    func clear() { deadline = nil }

    /// Removes the deadline for good.
    func end() {
        deadline = nil
        scheduled?.task.cancel()
        scheduled = nil
    }

    private func schedule(_ time: NIODeadline) {
        let task = loop.assumeIsolated().scheduleTask(deadline: time) { [weak self] () -> Void in self?.ring() }
        scheduled = (task, time)
    }

    private func ring() {
        scheduled = nil
        guard let deadline else { return }
        guard deadline <= .now() else { return schedule(deadline) }
        self.deadline = nil
        action()
    }
}

extension TimeAmount {
    /// Makes a duration of seconds.
    init(seconds: Double) { self = .nanoseconds(Int64(min(max(seconds, 0), 1e9) * 1e9)) }
}
