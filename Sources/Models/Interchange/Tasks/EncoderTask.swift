import W2VBackbone

extension ModelTask {
    /// No task: only the backbone, without quantizer or output layer.
    public static let encoder: ModelTask = {
        var task = ModelTask("encoder", phrase: "an encoder without quantizer or output layer") {
            description, _, initializer in
            try Wav2Vec2Model(description.model, initializer: initializer)
        } outputs: { checkpoint, samples, lengths in
            [("context", try checkpoint.sharedModel()(samples, lengths: lengths).context)]
        }
        task.hasHead = false
        task.huggingFace.architectures = ["wav2vec2": "Wav2Vec2Model", "hubert": "HubertModel"]
        return task
    }()
}
