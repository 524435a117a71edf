import Foundation
import TestSupport
import Testing

@testable import W2VReporting

#if canImport(FoundationXML)
import FoundationXML
#endif

/// Parses markup as XML, which finds every unclosed element and every unescaped character; returns texts and elements.
private final class Outline: NSObject, XMLParserDelegate {
    var elements: [String: Int] = [:]
    var attributes: [(element: String, name: String, value: String)] = []

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes values: [String: String]
    ) {
        elements[name, default: 0] += 1
        for (key, value) in values { attributes.append((name, key, value)) }
    }
}

private func outline(_ markup: String) throws -> Outline {
    let xml = markup.replacing(/<meta[^>]*>/, with: "").replacing("<!DOCTYPE html>", with: "")
    let parser = XMLParser(data: Data(xml.utf8))
    let result = Outline()
    parser.delegate = result
    try #require(parser.parse(), "\(String(describing: parser.parserError)) at line \(parser.lineNumber)")
    return result
}

private func chart(_ values: [Double], logarithmic: Bool = false) -> LineChart {
    LineChart(
        title: "t",
        series: [
            ChartSeries(
                name: "s", points: values.enumerated().map { ChartPoint(x: Double($0), y: $1) }, color: 0)
        ], logarithmic: logarithmic)
}

@Suite(.onTestThreads) struct ReportPageTests {
    @Test func sampleIsWellFormedAndSelfContained() throws {
        let html = sampleReport().html()
        let found = try outline(html)
        #expect(found.elements["svg"] == 10)
        #expect(found.elements["script"] == nil)
        #expect(!found.attributes.contains { ["src", "href", "xlink:href"].contains($0.name) })
        #expect(!html.contains("http") && !html.contains("url(") && !html.contains("@import"))
        #expect(!html.lowercased().contains(">nan") && !html.contains("NaN") && !html.contains("inf\""))
        #expect(html.contains("recording &lt;18&gt;"))
        #expect(html.contains("1 value is left out"))
    }

    @Test func escapesEverything() throws {
        let evil = "</title><script>alert('\"&')</script>\u{0}\u{1B}"
        var report = sampleReport()
        report.title = evil
        report.introduction = [evil]
        report.keyFigures = [KeyFigure(label: evil, value: evil, note: evil)]
        report.verdict = [evil]
        report.comparison = [(evil, 1, 2)]
        report.waveforms[0].title = evil
        report.waveforms[0].subtitle = evil
        report.waveforms[0].words[0].word = evil
        report.examples[0].name = evil
        report.examples[0].tokens[0].hypothesis = evil
        report.facts = [(evil, evil)]
        #expect(try outline(report.html()).elements["script"] == nil)
    }

    @Test func emptyReportHasItsTitleOnly() throws {
        let found = try outline(TrainingReport(title: "Nothing").html())
        #expect(found.elements["h1"] == 1)
        #expect(found.elements["h2"] == nil)
    }

    @Test func emptyRunsSaySo() throws {
        var report = TrainingReport(title: "Empty")
        report.pretraining = MetricsSeries(records: [])
        report.scratch = MetricsSeries(records: [])
        let html = report.html()
        _ = try outline(html)
        #expect(html.split(separator: "no values were recorded").count - 1 == 5)
    }

    @Test func marksDifferences() {
        let tokens = [("a", "a"), ("b", "c"), ("d", nil), (nil, "e")].map(AlignedToken.init)
        let html = TranscriptTable(rows: [TranscriptTable.Row(name: "u", tokens: tokens)]).html()
        let table = html[html.range(of: "<table")!.lowerBound...]
        for kind in ["same", "sub", "del", "ins"] {
            #expect(table.split(separator: "class=\"pair \(kind)\"").count == 2, "\(kind)")
        }
        #expect(table.contains("3 of 3"))
    }
}

@Suite(.onTestThreads) struct ChartTests {
    @Test(arguments: [
        [], [1.0], [.nan], [.infinity, -.infinity], [0, 0, 0], [1, .nan, 2, 3], [1e308, -1e308],
        [.leastNonzeroMagnitude], [-1, -1],
        [1, 1.0000000000000002], [.leastNonzeroMagnitude, 1e300], [1e9, 1e9 + 1], [0.1, 0.2, .greatestFiniteMagnitude],
    ])
    func drawsAnything(values: [Double]) throws {
        for logarithmic in [false, true] {
            let found = try outline(chart(values, logarithmic: logarithmic).html())
            for attribute in found.attributes where ["x", "y", "cx", "cy"].contains(attribute.name) {
                let number = try #require(Double(attribute.value))
                #expect(number >= -1 && number <= 521)
            }
        }
    }

    @Test func drawsRandomCurvesInsideTheFrame() throws {
        var choices = Choices(seed: 1)
        for _ in 0..<200 {
            let scale = pow(10, Double.random(in: -12...12, using: &choices))
            let offset = Bool.random(using: &choices) ? 0 : pow(10, Double.random(in: -6...6, using: &choices))
            let values = (0..<Int.random(in: 0...30, using: &choices)).map { _ in
                Int.random(in: 0..<12, using: &choices) == 0
                    ? .nan : offset + scale * Double.random(in: -1...1, using: &choices)
            }
            let found = try outline(chart(values, logarithmic: Bool.random(using: &choices)).html())
            for attribute in found.attributes where attribute.name == "cy" {
                let number = try #require(Double(attribute.value))
                #expect(number >= 0 && number <= 230)
            }
        }
    }

    @Test func breaksTheLineAtWhatIsNotANumber() throws {
        let html = chart([1, 2, .nan, 3, 4, .nan, 5]).html()
        #expect(html.split(separator: "class=\"line c0\"").count - 1 == 2)
        #expect(html.contains("2 values are left out"))
        // The last point alone, which is not part of a line.
        #expect(html.split(separator: "class=\"dot c0\"").count - 1 == 1)
    }

    @Test func logarithmicChartCountsWhatItCannotShow() {
        let html = chart([0, -1, 10, 1000], logarithmic: true).html()
        #expect(html.contains("2 values are left out: not a finite, positive number"))
    }

    @Test func ticksAreRoundAndCoverTheValues() {
        var choices = Choices(seed: 2)
        for _ in 0..<500 {
            let low = Double.random(in: -1000...1000, using: &choices)
            let high = low + pow(10, Double.random(in: -6...6, using: &choices))
            let axis = Axis(values: [low, high], count: 5, logarithmic: false)
            #expect(axis.lower <= low + axis.step * 1e-6 && axis.upper >= high - axis.step * 1e-6)
            #expect((2...12).contains(axis.ticks.count))
            let digits = axis.step / pow(10, floor(log10(axis.step) + 1e-9))
            #expect([1, 2, 5].contains { abs($0 - digits) < 1e-6 })
            let labels = axis.ticks.map { axis.label($0, format: .number) }
            #expect(Set(labels).count == labels.count, "\(labels)")
        }
        #expect(
            Axis(values: [0, 1], count: 5, logarithmic: false).ticks.map { ($0 * 10).rounded() } == [0, 2, 4, 6, 8, 10])
        let decades = Axis(values: [0.02, 700], count: 5, logarithmic: true)
        #expect(decades.lower == 0.01 && abs(decades.upper - 1000) < 1e-9)
    }

    @Test func writesNumbersForReaders() {
        #expect(ValueFormat.number.string(4810.2) == "4,810")
        #expect(ValueFormat.number.string(0.02514) == "0.0251")
        #expect(ValueFormat.number.string(-12.345) == "−12.35" || ValueFormat.number.string(-12.345) == "−12.34")
        #expect(ValueFormat.number.string(0.0000123) == "1.2e-05")
        #expect(ValueFormat.number.string(.nan) == "n/a")
        #expect(ValueFormat.percent.string(0.4128) == "41.3 %")
        #expect(ValueFormat.percent.tick(0.2, step: 0.2) == "20 %")
        #expect(ValueFormat.number.tick(250_000, step: 50_000) == "250,000")
        #expect(ValueFormat.number.tick(0.25, step: 0.05) == "0.25")
    }

    @Test func thinningKeepsPeaks() {
        var points = (0..<10_000).map { ChartPoint(x: Double($0), y: sin(Double($0) / 500)) }
        points[7777].y = 50
        points[3333].y = -50
        let thinned = LineChart.thinned(points, to: 600)
        #expect(thinned.count <= 600)
        #expect(thinned.first == points.first && thinned.last == points.last)
        #expect(thinned.contains(points[7777]) && thinned.contains(points[3333]))
        #expect(zip(thinned, thinned.dropFirst()).allSatisfy { $0.x < $1.x })
    }

    @Test func longCurvesShowTheirRunningMean() {
        let html = chart((0..<300).map { Double($0 % 2) }).html()
        #expect(html.split(separator: "class=\"line raw c0\"").count - 1 == 1)
        #expect(html.contains("running mean"))
        let line = (0..<50).map { ChartPoint(x: Double($0), y: 2 * Double($0)) }
        for (point, mean) in zip(line.dropFirst(), LineChart.runningMean(line, window: 9)) {
            #expect(abs(point.y - mean.y) < 1e-9)
        }
        let noisy = (0..<50).map { ChartPoint(x: Double($0), y: $0 == 20 ? 9 : 0) }
        #expect(LineChart.runningMean(noisy, window: 9).map { ($0.y * 1e6).rounded() / 1e6 }.max() == 1)
    }

    @Test func barsHandleEveryValue() throws {
        for values in [[0.0, 0], [.nan, 1], [.infinity, -1], [0.3, 0.5]] {
            let chart = BarChart(title: "t", bars: [("a", 0), ("b", 1)], groups: [.init(name: "g", values: values)])
            let found = try outline(chart.html())
            let bars = found.attributes.count { $0.name == "class" && $0.value.hasPrefix("bar") }
            #expect(bars == values.count { $0.isFinite && $0 > 0 })
        }
    }

    @Test(arguments: [0, 1, 7, 1080, 50_000])
    func waveformHandlesEveryLength(count: Int) throws {
        var samples = (0..<count).map { Float(sin(Double($0))) }
        if count > 1 { samples[1] = .nan }
        let picture = WaveformPicture(
            title: "w", samples: samples, sampleRate: 16_000,
            words: [
                TimedWord(word: "inside", start: 0, end: 0.01), TimedWord(word: "beyond", start: 100, end: 200),
                TimedWord(word: "broken", start: .nan, end: 1),
            ])
        let html = picture.html()
        _ = try outline(html)
        #expect(html.contains("1 samples") == (count > 1))
        #expect(html.contains("no samples") == (count == 0))
    }
}

@Suite(.onTestThreads) struct MetricsSeriesTests {
    private func read(_ text: String) throws -> MetricsSeries {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let url = try folder.write(text, to: "metrics.jsonl")
        do {
            return try MetricsSeries(contentsOf: url)
        } catch MetricsError.damagedLine(let path, let line, let reason) {
            #expect(path == url.path)
            throw MetricsError.damagedLine(path: "FILE", line: line, reason: reason)
        }
    }

    @Test func readsKindsAndFields() throws {
        let series = try read(
            """
            {"kind":"train","update":10,"epoch":1,"loss":4.5,"accuracy":0.1,"note":"text","flag":true,"list":[1]}

            {"kind":"valid","update":10,"loss":4.25,"wer":1.0,"cer":null}
            {"kind":"train","update":20,"loss":4}
            """)
        #expect(series.records.count == 3)
        #expect(series.points(kind: "train", field: "loss") == [ChartPoint(x: 10, y: 4.5), ChartPoint(x: 20, y: 4)])
        #expect(series.points(kind: "train", field: "accuracy") == [ChartPoint(x: 10, y: 0.1)])
        #expect(series.records[0].values["note"] == nil && series.records[0].values["flag"] == nil)
        #expect(series.points(kind: "valid", field: "cer").first?.y.isNaN == true)
        #expect(series.points(kind: "other", field: "loss").isEmpty)
        #expect(try read("").records.isEmpty)
    }

    @Test(arguments: [
        ("{\"kind\":\"train\",\"update\":10}\n{\"kind\":\"tr", 2, "it is not a whole JSON object"),
        ("\n\n{\"update\":10}", 3, "the field \"kind\" is missing"),
        ("{\"kind\":\"train\"}", 1, "the field \"update\" is missing"),
        ("{\"kind\":\"train\",\"update\":\"ten\"}", 1, "the field \"update\" has the wrong type"),
        ("{\"kind\":\"train\",\"update\":1.5}", 1, "the field \"update\" has the wrong type"),
        ("[1]", 1, "expected a JSON object"),
        ("{\"kind\":\"train\",\"update\":1,\"loss\":NaN}", 1, "it is not a whole JSON object"),
        ("{\"kind\":\"train\",\"update\":1} {}", 1, "it is not a whole JSON object"),
    ])
    func namesADamagedLine(text: String, line: Int, reason: String) {
        #expect(throws: MetricsError.damagedLine(path: "FILE", line: line, reason: reason)) { try read(text) }
    }

    @Test func keepsValidationSetsApart() throws {
        let series = try read(
            """
            {"kind":"train","update":10,"loss":3}
            {"kind":"valid","update":10,"name":"clean.tsv","wer":0.5}
            {"kind":"valid","update":10,"name":"noisy.tsv","wer":0.9}
            {"kind":"valid","update":20,"name":"clean.tsv","wer":0.25}
            """)
        #expect(series.sets(kind: "valid") == ["clean.tsv", "noisy.tsv"])
        #expect(series.points(kind: "valid", field: "wer").map(\.y) == [0.5, 0.25])
        #expect(series.points(kind: "valid", field: "wer", set: "noisy.tsv").map(\.y) == [0.9])
        #expect(series.points(kind: "train", field: "loss").map(\.y) == [3])
        var report = TrainingReport(title: "Sets")
        report.finetuning = series
        #expect(report.html().contains("validation recordings: clean.tsv, the first of 2 sets"))
    }

    @Test func namesAMissingFile() {
        let error = #expect(throws: MetricsError.self) {
            try MetricsSeries(contentsOf: URL(filePath: "/nowhere/metrics.jsonl"))
        }
        #expect(error?.description.contains("/nowhere/metrics.jsonl") == true)
    }
}

@Suite(.onTestThreads) struct TimelineChartTests {
    @Test func spansThatOverlapLieBeneathEachOther() throws {
        let spans = [(0.0, 2.0), (1, 3), (2.5, 4), (.nan, 1)].map { start, end in
            TimelineChart.Span(name: "<\(start)>", start: start, end: end, color: 1)
        }
        let chart = TimelineChart(
            title: "a & b", subtitle: "", legend: ["x", "y"], lanes: [.init(name: "rank 0", spans: spans)], unit: "ms")
        let found = try outline(chart.svg())
        let bars = found.attributes.filter { $0.name == "class" && $0.value.hasPrefix("bar ") }
        // Two keys and three spans: a span without a start cannot be drawn.
        #expect(bars.count == 5)
        // The second span begins before the first has ended, and the third after it.
        let rows = chart.svg().split(separator: "\n").filter { $0.contains("<title>&lt;") }.map { line in
            line.components(separatedBy: " y=\"")[1].prefix { $0 != "\"" }
        }
        #expect(rows.count == 3 && rows[0] == rows[2] && rows[0] != rows[1])
        _ = try outline(TimelineChart(title: "", subtitle: "", legend: [], lanes: [], unit: "s").svg())
    }
}

@Suite(.onTestThreads) struct ChartSheetTests {
    private func run(_ name: String, _ losses: [Double]) -> (name: String, metrics: MetricsSeries) {
        let records = losses.enumerated().map { index, loss in
            MetricsRecord(kind: "valid", update: index * 10 + 10, name: "v", values: ["loss": loss, "wer": loss / 10])
        }
        return (name, MetricsSeries(records: records))
    }

    @Test func runsAreSideBySideInAWellFormedPicture() throws {
        let comparison = RunComparison(runs: [run("plain <1>", [4, 3, 2]), run("hourglass", [5, 3])])
        #expect(comparison.fields == ["loss", "wer"])
        let sheet = ChartSheet(charts: comparison.fields.map(comparison.chart))
        let found = try outline(sheet.svg())
        // The document, and for each of the two charts its place and its drawing.
        #expect(found.elements["svg"] == 5)
        #expect(found.attributes.filter { $0.name == "class" && $0.value.hasPrefix("line ") }.count == 4)
        #expect(!found.attributes.contains { ["src", "href", "xlink:href"].contains($0.name) })
        #expect(sheet.svg().contains("plain &lt;1&gt; 2<") && sheet.svg().contains("hourglass 30.0 %<"))
    }

    @Test func aFieldThatARunLacksHasNoCurve() throws {
        let other = MetricsSeries(records: [MetricsRecord(kind: "train", update: 1, values: ["loss": 1])])
        let comparison = RunComparison(runs: [run("a", [1]), ("b", other)])
        #expect(comparison.chart("loss").series.map(\.name) == ["a"])
        #expect(RunComparison(runs: [("b", other)]).fields.isEmpty)
        _ = try outline(ChartSheet(charts: []).svg())
        _ = try outline(ChartSheet(charts: [comparison.chart("nothing")], columns: 0).svg())
    }
}
