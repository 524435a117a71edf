/// How long audio is and how long it took, as people read it.
struct TimedWork: CustomStringConvertible {
    var audioSeconds: Double
    var seconds: Double
    /// What stands between the two.
    var kind = " in"

    var description: String {
        let times = "\(decimal(audioSeconds, 1)) s of audio\(kind) \(decimal(seconds, 1)) s"
        // Of no audio there is no factor.
        guard audioSeconds > 0 else { return times }
        return times + " (real-time factor \(decimal(seconds / audioSeconds, 3)))"
    }
}
