/// The duration of audio and of the work on it, as text for people.
struct TimedWork: CustomStringConvertible {
    var audioSeconds: Double
    var seconds: Double
    /// The words between the two.
    var kind = " in"

    var description: String {
        let times = "\(decimal(audioSeconds, 1)) s of audio\(kind) \(decimal(seconds, 1)) s"
        // Without audio there is no factor.
        guard audioSeconds > 0 else { return times }
        return times + " (real-time factor \(decimal(seconds / audioSeconds, 3)))"
    }
}
