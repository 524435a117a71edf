import W2VBackbone

extension Recipe {
    /// The `precision` section, with fairseq's and NVIDIA's keys.
    public struct PrecisionSection: Sendable, Equatable {
        /// Whether a part of a half-precision model stays FP32.
        public enum FP32Override: Sendable, Equatable {
            /// NVIDIA's choice for the mode.
            case auto
            /// Set in the recipe.
            case set(Bool)
        }

        /// A number format, or the device's own choice.
        public enum Format: Sendable, Equatable {
            /// TF32 on GPUs that have it, as in NVIDIA's program; FP32 on others and on CPUs.
            case auto
            /// Set in the recipe.
            case set(ModelPrecision.Mode)

            /// Returns the format on a device.
            ///
            /// - Parameter generation: A GPU's compute capability, such as 80 for Ampere, the first with TF32; `nil`
            ///   for a CPU.
            public func mode(generation: Int?) -> ModelPrecision.Mode {
                switch self {
                case .auto: (generation ?? 0) >= 80 ? .tf32 : .fp32
                case .set(let mode): mode
                }
            }
        }

        /// The number format in which the model computes.
        public var mode = Format.auto
        /// The initial loss scale.
        public var fp16InitScale = 128.0
        /// Number of updates without overflow after which the scale doubles; `nil` for 2¹⁴ divided by the accumulated
        /// micro-batches.
        public var fp16ScaleWindow: Int?
        /// The share of overflowing updates, since the scale last changed, up to which the scale is not lowered.
        public var fp16ScaleTolerance = 0.0
        /// The lower bound of the loss scale.
        public var thresholdLossScale: Double?
        /// The loss scale at which training stops.
        public var minLossScale = 1e-4
        /// Whether BF16's loss is scaled too, as NVIDIA does.
        public var bf16LossScaler = false
        /// Whether the transformer layers' LayerNorms are FP32.
        public var fp32TransformerLayernorm = FP32Override.auto
        /// Whether the attention's softmax is FP32.
        public var fp32MhaSoftmax = FP32Override.auto
        /// Whether the contrastive objective's cosine similarities are FP32.
        public var fp32CosineSim = FP32Override.auto
        /// Whether the positional convolution is FP32.
        public var fp32PosConv = FP32Override.auto
        /// Whether the feature extractor's normalizations are FP32.
        public var fp32ConvNorms = FP32Override.auto

        /// Returns the formats in which the model computes on a device.
        ///
        /// - Parameter generation: A GPU's compute capability, as for ``Format/mode(generation:)``.
        func model(generation: Int?) -> ModelPrecision {
            var precision = ModelPrecision(mode.mode(generation: generation))
            fp32TransformerLayernorm.apply(to: &precision.fp32TransformerLayernorm)
            fp32MhaSoftmax.apply(to: &precision.fp32MhaSoftmax)
            fp32CosineSim.apply(to: &precision.fp32CosineSim)
            fp32PosConv.apply(to: &precision.fp32PosConv)
            fp32ConvNorms.apply(to: &precision.fp32ConvNorms)
            return precision
        }

        /// Whether losses are scaled.
        var scalesLoss: Bool { mode == .set(.fp16) || mode == .set(.bf16) && bf16LossScaler }

        func validate() throws {
            if case .set(let mode) = mode, !mode.trains {
                throw ConfigurationError(
                    "precision.mode is \(mode.rawValue), in which models are used but not trained; choose one of the others"
                )
            }
            for (name, value) in [
                ("fp16_init_scale", fp16InitScale), ("min_loss_scale", minLossScale),
                ("fp16_scale_window", fp16ScaleWindow.map(Double.init) ?? 1),
                ("threshold_loss_scale", thresholdLossScale ?? 1),
            ] where value <= 0 {
                throw ConfigurationError("precision.\(name) is \(value.settingText); it must be more than 0")
            }
            guard (0...1).contains(fp16ScaleTolerance) else {
                throw ConfigurationError("precision.fp16_scale_tolerance must be between 0 and 1")
            }
            guard !scalesLoss || fp16InitScale > minLossScale else {
                throw ConfigurationError("precision.fp16_init_scale must be more than precision.min_loss_scale")
            }
        }
    }
}

extension Recipe.PrecisionSection.FP32Override: SettingValue {
    /// Parses `auto`, true or false.
    public init(settingText: String) throws {
        self = settingText == "auto" ? .auto : .set(try Bool(settingText: settingText))
    }
    /// The value as text that parses back to it.
    public var settingText: String {
        switch self {
        case .auto: "auto"
        case .set(let value): value.settingText
        }
    }
    /// The expected form, for error messages.
    public static var settingType: String { "auto, true or false" }

    fileprivate func apply(to flag: inout Bool) {
        if case .set(let value) = self { flag = value }
    }
}

extension ModelPrecision.Mode: SettingChoice {}

extension Recipe.PrecisionSection.Format: SettingValue {
    /// Parses `auto` or a mode's name.
    public init(settingText: String) throws {
        self = settingText == "auto" ? .auto : .set(try ModelPrecision.Mode(settingText: settingText))
    }
    /// The value as text that parses back to it.
    public var settingText: String {
        switch self {
        case .auto: "auto"
        case .set(let mode): mode.settingText
        }
    }
    /// The expected form, for error messages.
    public static var settingType: String {
        let modes = ModelPrecision.Mode.allCases.filter(\.trains).map(\.rawValue)
        return "auto, or one of \(modes.joined(separator: ", "))"
    }
}

extension Recipe.PrecisionSection {
    static let settings: [Setting<Self>] = [
        Setting(
            "mode", \.mode, "number format of the model; auto is tf32 on GPUs that support it, else fp32"),
        Setting("fp16_init_scale", \.fp16InitScale, "initial loss scale"),
        Setting(
            "fp16_scale_window", \.fp16ScaleWindow,
            "updates without overflow after which the loss scale doubles; off for 16384 / update_freq"),
        Setting(
            "fp16_scale_tolerance", \.fp16ScaleTolerance,
            "share of overflowing updates to tolerate before the loss scale is lowered"),
        Setting("threshold_loss_scale", \.thresholdLossScale, "lower bound of the loss scale"),
        Setting("min_loss_scale", \.minLossScale, "loss scale at which training stops"),
        Setting("bf16_loss_scaler", \.bf16LossScaler, "whether to scale the loss in bf16 too"),
        Setting(
            "fp32_transformer_layernorm", \.fp32TransformerLayernorm,
            "whether transformer LayerNorms stay FP32 in half precision; auto for no"),
        Setting(
            "fp32_mha_softmax", \.fp32MhaSoftmax,
            "whether the attention's softmax stays FP32 in half precision; auto for no"),
        Setting(
            "fp32_cosine_sim", \.fp32CosineSim,
            "whether cosine similarities stay FP32 in half precision; auto for fp16 only"),
        Setting(
            "fp32_pos_conv", \.fp32PosConv,
            "whether the positional convolution stays FP32 in half precision; auto for yes"),
        Setting(
            "fp32_conv_norms", \.fp32ConvNorms,
            "whether the extractor's normalizations stay FP32 in half precision; auto for fp16 only"),
    ]
}
