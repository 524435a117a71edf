import TestSupport
import Testing

@testable import W2VTraining

@Suite(.onTestThreads) struct MeterTests {
    private func sums(_ samples: Int) -> Statistics {
        var sums = Statistics()
        sums.samples = samples
        sums.frames = samples / 320
        sums.maskedFrames = samples / 640
        sums.operations = Double(samples)
        return sums
    }

    @Test func ratesAreOfTheLapAndOfTheLastEpochs() throws {
        var meter = Meter(peak: 64_000, benchmarkEpochs: 2)
        var now = ContinuousClock.now
        meter.count(sums(0), waitSeconds: 0, now: now)
        _ = meter.endLap()
        meter.endEpoch()
        for (epoch, seconds) in [10.0, 1.0, 3.0].enumerated() {
            for _ in 0..<2 {
                now += .seconds(seconds)
                meter.count(sums(32_000), waitSeconds: Double(epoch) + 0.5, now: now)
            }
            meter.endEpoch()
            let rates = meter.endLap()
            #expect(abs(rates.audioSecondsPerSecond - 2 / seconds) < 1e-9)
            #expect(abs(rates.framesPerSecond - 100 / seconds) < 1e-9)
            #expect(abs(rates.maskedFramesPerSecond - 50 / seconds) < 1e-9)
            #expect(abs((rates.utilisation ?? 0) - 0.5 / seconds) < 1e-9)
            #expect(abs(rates.waitShare - (epoch == 0 ? 0.5 : 1) / (2 * seconds)) < 1e-9)
        }
        // The last two epochs: four updates of two seconds of audio each in 1 + 1 + 3 + 3 seconds.
        let (counts, rates) = try #require(meter.benchmark)
        #expect(counts.updates == 4)
        #expect(abs(rates.audioSecondsPerSecond - 1) < 1e-9)
    }

    @Test func validationAndSavingAreLeftOut() throws {
        let start = ContinuousClock.now - .seconds(60)
        var meter = Meter(now: start)
        meter.exclude(since: start + .seconds(2), until: start + .seconds(52))
        meter.count(sums(16_000), waitSeconds: 0, now: start + .seconds(55))
        #expect(abs(try #require(meter.secondsPerUpdate) - 5) < 1e-9)
        #expect(meter.totalSeconds >= 60)
        #expect(meter.endLap().utilisation == nil)
    }

    @Test func anUnfinishedEpochCountsIfThereIsNoOther() throws {
        var meter = Meter()
        #expect(meter.benchmark == nil)
        meter.count(sums(16_000), waitSeconds: 0)
        #expect(try #require(meter.benchmark).counts.updates == 1)
    }
}
