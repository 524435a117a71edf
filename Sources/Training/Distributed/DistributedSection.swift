import Wav2Vec2

extension Recipe {
    /// The `distributed` section: how processes work together, and nothing of what they compute.
    public struct DistributedSection: Sendable, Equatable {
        /// The longest that a process may keep the others waiting, in seconds.
        public var timeout = 600.0
        /// The longest wait for the other processes at the start, in seconds.
        public var joinTimeout = 300.0
        /// The gradients that are sent at once, in MB of 2²⁰ bytes.
        public var bucketCapMb = 25.0
        /// After how many updates the processes compare their parameters; `nil` for never.
        public var checkEvery: Int? = 500
    }

    static let distributedSettings: [Setting<Recipe>] = [
        Setting("distributed.timeout", \.distributed.timeout, "longest wait for another process, in seconds"),
        Setting(
            "distributed.join_timeout", \.distributed.joinTimeout,
            "longest wait for the other processes at the start, in seconds"),
        Setting("distributed.bucket_cap_mb", \.distributed.bucketCapMb, "gradients that are sent at once, in MB"),
        Setting(
            "distributed.check_every", \.distributed.checkEvery,
            "updates after which the processes compare their parameters"),
    ]
}
