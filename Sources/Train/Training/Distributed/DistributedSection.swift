import W2VBackbone
import W2VTorch

extension Recipe {
    /// The `distributed` section: how processes communicate, without influence on what they compute.
    public struct DistributedSection: Sendable, Equatable {
        /// Maximum time that a process may keep the others waiting, in seconds.
        public var timeout = 600.0
        /// Maximum wait for the other processes at the start, in seconds.
        public var joinTimeout = 300.0
        /// Size of the buckets in which gradients are sent, in MB of 2²⁰ bytes.
        public var bucketCapMb = 25.0
        /// The transport of tensors.
        public enum Backend: String, Sendable, Codable, CaseIterable {
            /// NCCL between GPUs, Gloo between CPUs.
            case auto
            /// Gloo, through host memory.
            case gloo
        }

        /// The transport of tensors.
        public var backend = Backend.auto
        /// The number format in which gradients are summed over processes.
        public enum ReducePrecision: String, Sendable, Codable, CaseIterable {
            /// In single precision.
            case fp32
            /// In IEEE half precision.
            case fp16
            /// In bfloat16.
            case bf16

            var dtype: DType {
                switch self {
                case .fp32: .float32
                case .fp16: .float16
                case .bf16: .bfloat16
                }
            }
        }

        /// The number format in which gradients are summed over processes.
        public var reducePrecision = ReducePrecision.fp32
        /// Whether each process keeps only its share of the optimizer's state (the first stage of ZeRO).
        public var zeroSharding = false
        /// Number of updates between comparisons of the processes' parameters; `nil` for never.
        public var checkEvery: Int? = 500
    }

    static let distributedSettings: [Setting<Recipe>] = [
        Setting(
            "distributed.timeout", \.distributed.timeout, "maximum wait for another process, in seconds", in: .upTo(1e6)
        ),
        Setting(
            "distributed.join_timeout", \.distributed.joinTimeout,
            "maximum wait for the other processes at the start, in seconds", in: .upTo(1e6)),
        Setting(
            "distributed.bucket_cap_mb", \.distributed.bucketCapMb, "size of a gradient bucket, in MB",
            in: .upTo(1e6)),
        Setting(
            "distributed.backend", \.distributed.backend,
            "library that sends tensors: auto (NCCL between GPUs, Gloo between CPUs) or gloo"),
        Setting(
            "distributed.reduce_precision", \.distributed.reducePrecision,
            "number format for summing gradients over processes"),
        Setting(
            "distributed.zero_sharding", \.distributed.zeroSharding,
            "whether to shard the optimizer's state over the processes"),
        Setting(
            "distributed.check_every", \.distributed.checkEvery,
            "number of updates between checks that all processes have the same parameters", in: .atLeast(1)),
    ]
}

extension Recipe.DistributedSection.Backend: SettingChoice {}
extension Recipe.DistributedSection.ReducePrecision: SettingChoice {}
