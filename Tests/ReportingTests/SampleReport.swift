import Foundation

@testable import W2VReporting

/// A report with invented numbers of every kind, for the tests and for viewing.
func sampleReport() -> TrainingReport {
    func wave(_ index: Int, _ speed: Double) -> Double { sin(Double(index) * speed) }
    func finetuning(_ floor: Double) -> MetricsSeries {
        var records: [MetricsRecord] = []
        for update in stride(from: 10, through: 1500, by: 10) {
            let decay = exp(-Double(update) / 350)
            records.append(
                MetricsRecord(
                    kind: "train", update: update,
                    values: ["loss": floor + 3 * decay + 0.05 * wave(update, 0.9), "lr": 1e-4]))
            if update.isMultiple(of: 100) {
                records.append(
                    MetricsRecord(
                        kind: "valid", update: update,
                        values: [
                            "loss": floor + 0.1 + 3 * decay, "cer": min(1, floor * 0.5 + decay),
                            "wer": min(1, floor + decay),
                        ]))
            }
        }
        return MetricsSeries(records: records)
    }
    var report = TrainingReport(title: "wav2vec 2.0 on two cores: from recordings to transcripts")
    report.introduction = [
        "A small wav2vec 2.0 model was pre-trained on recorded speech without transcripts, fine-tuned with CTC on the "
            + "transcribed part, and tested on recordings that neither stage has heard."
    ]
    report.keyFigures = [
        KeyFigure(label: "Character error rate", value: "31.4 %", note: "52.8 % from random weights"),
        KeyFigure(label: "Word error rate", value: "68.0 %", note: "91.3 % from random weights"),
        KeyFigure(label: "Time", value: "11 min 20 s", note: "2 cores, no GPU"),
        KeyFigure(label: "Speech", value: "1 h 12 min", note: "of which 14 min transcribed"),
        KeyFigure(label: "Model", value: "3.1 M", note: "parameters"),
    ]
    report.comparison = [("character errors", 0.314, 0.528), ("word errors", 0.68, 0.913)]
    report.verdict = ["Pre-training lowered the character error rate by 41 % of its value."]
    report.pretraining = MetricsSeries(
        records: (1...2500).map { update in
            let decay = exp(-Double(update) / 600)
            return MetricsRecord(
                kind: "train", update: update,
                values: [
                    "loss": update == 700 ? .nan : 2.1 + 2.6 * decay + 0.12 * wave(update, 1.7),
                    "accuracy": 0.03 + 0.6 * (1 - decay) + 0.02 * wave(update, 2.3),
                    "code_perplexity": 40 + 150 * (1 - decay), "prob_perplexity": 55 + 180 * (1 - decay),
                    "grad_norm": 0.4 + 20 * decay * abs(wave(update, 0.31)),
                ])
        })
    report.finetuning = finetuning(0.6)
    report.scratch = finetuning(1.1)
    let words = ["front", "centre", "is", "a", "loudspeaker", "position", "that", "you", "may", "hear", "now"]
    report.waveforms = [
        WaveformPicture(
            title: "Recording 17", subtitle: "said: front centre is a loudspeaker position that you may hear now",
            samples: (0..<80_000).map { index in
                Float(wave(index, 0.21) * max(0.02, wave(index, 0.0004) * wave(index, 0.0013)))
            }, sampleRate: 16_000,
            words: words.enumerated().map { index, word in
                TimedWord(word: word, start: 0.2 + Double(index) * 0.42, end: 0.5 + Double(index) * 0.42)
            })
    ]
    func token(_ reference: String?, _ hypothesis: String?) -> AlignedToken {
        AlignedToken(reference: reference, hypothesis: hypothesis)
    }
    report.examples = [
        TranscriptTable.Row(
            name: "recording-17",
            tokens: [
                token("front", "front"), token("centre", "center"), token("is", nil), token(nil, "uh"), token("a", "a"),
                token("loudspeaker", "loud"), token(nil, "speaker"), token("position", "position"),
            ]),
        TranscriptTable.Row(name: "recording <18>", tokens: [token("rear", "rear"), token("left & right", "left")]),
        TranscriptTable.Row(name: "silence", tokens: []),
    ]
    report.facts = [("seed", "1"), ("commands", "wav2vec2 pretrain · finetune · evaluate")]
    return report
}
