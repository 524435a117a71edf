import Foundation

/// The output of `benchmark scaling`.
struct ScalingReport: Encodable {
    var task = "scaling"
    var shape: String
    var hourglass: String
    var device: String
    var precision = "fp32"
    var bucketCapMb: Double
    var zeroSharding: Bool
    var measurements: [ScalingMeasurement]
    var model: ScalingModel?
    var predictions: [ScalingModel.Point]?

    init(
        shape: String, hourglass: String, device: String, bucketCapMb: Double, zeroSharding: Bool,
        measurements: [ScalingMeasurement]
    ) {
        self.shape = shape
        self.hourglass = hourglass
        self.device = device
        self.bucketCapMb = bucketCapMb
        self.zeroSharding = zeroSharding
        self.measurements = measurements
    }

    var text: String {
        var lines = [
            "pre-training, utterances \(shape) a process, hourglass \(hourglass), \(precision) on \(device); "
                + "buckets of \(decimal(bucketCapMb, 1)) MB" + (zeroSharding ? "; the optimizer is sharded" : ""),
            "",
            "processes  threads  step alone  sums after  sums during  sent during backward  time hidden  MB a step",
        ]
        for measured in measurements {
            func seconds(_ value: Double?) -> String { value.map { decimal($0, 3) + " s" } ?? "-" }
            let sent = measured.bucketsSentDuringBackward.map { "\($0) of \(measured.buckets ?? 0)" } ?? "-"
            lines.append(
                column(String(measured.processes), 9) + column(String(measured.threads), 9)
                    + column(seconds(measured.stepS), 12) + column(seconds(measured.summingAfterS), 12)
                    + column(seconds(measured.summingDuringS), 13) + column(sent, 22)
                    + column(measured.hiddenShare.map { decimal($0 * 100, 0) + " %" } ?? "-", 13)
                    + column(measured.processes > 1 ? decimal(Double(measured.bytes) / 1_048_576, 1) : "0", 11))
        }
        for measured in measurements {
            if let reducer = measured.reducerS, let theirs = measured.waitingReducerS,
                let ours = measured.waitingDuringS
            {
                lines.append("")
                lines.append(
                    "\(measured.processes) processes with c10d's Reducer: \(decimal(reducer, 3)) s a step; it adds "
                        + "\(decimal(theirs, 3)) s to a step without sums, and sums during the backward pass "
                        + "\(decimal(ours, 3)) s")
            }
            if let exchange = measured.exchangeS {
                lines.append("")
                lines.append(
                    "\(measured.processes) processes exchange parameters in \(decimal(exchange, 3)) s of a step with sums"
                )
            }
        }
        for measured in measurements where !measured.allReduce.isEmpty {
            let sizes = measured.allReduce.map {
                "\(size($0.bytes)) in \(decimal($0.seconds * 1000, $0.seconds < 0.01 ? 2 : 0)) ms"
            }
            let link = measured.link.map {
                ": \(decimal($0.bandwidth / 1e9, 2)) GB/s, \(decimal($0.latency * 1e6, 0)) µs a message"
            }
            lines.append("")
            lines.append("all-reduce of \(measured.processes) processes: " + sizes.joined(separator: ", "))
            lines.append("a ring fits these\(link ?? " badly: no bandwidth can be given")")
        }
        return (lines + modelLines).joined(separator: "\n")
    }

    private var modelLines: [String] {
        guard let model, let predictions else { return [] }
        func link(_ link: ScalingModel.Link) -> String {
            "\(decimal(link.bandwidth / 1e9, 2)) GB/s and \(decimal(link.latency * 1e6, 0)) µs"
        }
        let head = [
            "",
            "model: an update of \(model.microBatches) micro-batches of \(decimal(model.microBatchS, 4)) s, "
                + "\(decimal(Double(model.bytes) / 1_048_576, 0)) MB of gradients; \(link(model.local)) within a "
                + "machine of \(model.gpusPerNode), \(link(model.network)) between machines",
            "",
            "    GPUs  machines   MB sent  all-reduce     waiting      update  speedup  NVIDIA's  weak efficiency",
        ]
        let rows = predictions.map { point in
            column(String(point.gpus), 8) + column(String(point.nodes), 10)
                + column(decimal(point.sentBytes / 1_048_576, 0), 10)
                + column(decimal(point.allReduceS, 4) + " s", 12) + column(decimal(point.waitingS, 4) + " s", 12)
                + column(point.updateS.map { decimal($0, 3) + " s" } ?? "-", 12)
                + column(point.speedup.map { decimal($0, 2) } ?? "-", 9)
                + column(point.nvidiaSpeedup.map { decimal($0, 2) } ?? "", 10)
                + column(decimal(point.weakEfficiency * 100, 1) + " %", 17)
        }
        let source = [
            "", "NVIDIA's: strong scaling as published for pre-training BASE on a DGX A100 80 GB, mixed precision.",
        ]
        return head + rows + source
    }

    private func size(_ bytes: Int) -> String {
        bytes >= 1 << 20 ? "\(bytes >> 20) MB" : "\(bytes >> 10) KB"
    }
}
