import TestSupport
import Testing

@testable import W2VTraining

@Suite(.onTestThreads) struct LossScalerTests {
    private func scaler(_ change: (inout Recipe.PrecisionSection) -> Void = { _ in }) -> LossScaler {
        var options = Recipe.PrecisionSection()
        change(&options)
        return LossScaler(options, updateFreq: 64)
    }

    @Test func doublesAfterTheWindowAndHalvesAfterAnOverflow() {
        var scaler = scaler { $0.fp16ScaleWindow = 4 }
        #expect(scaler.scale == 128)
        var scales: [Double] = []
        for update in 0..<16 {
            if update == 9 { _ = scaler.overflow() } else { scaler.succeed() }
            scales.append(scaler.scale)
        }
        // As fairseq counts: from the update before the first one, and from the one that overflowed.
        #expect(scales == [128, 128, 128, 256, 256, 256, 256, 512, 512, 256, 256, 256, 256, 512, 512, 512])
    }

    @Test func theWindowFollowsAccumulation() {
        var scaler = scaler()
        for _ in 0..<255 { scaler.succeed() }
        #expect(scaler.scale == 128)
        scaler.succeed()
        #expect(scaler.scale == 256)
    }

    @Test func toleranceKeepsTheScaleForRareOverflows() {
        var scaler = scaler { ($0.fp16ScaleTolerance, $0.fp16ScaleWindow) = (0.3, 1000) }
        for _ in 0..<9 { scaler.succeed() }
        var scales: [Double] = []
        for _ in 0..<4 {
            _ = scaler.overflow()
            scales.append(scaler.scale)
        }
        // 1 of 10, 2 of 11, 3 of 12, 4 of 13.
        #expect(scales == [128, 128, 128, 64])
    }

    @Test func thresholdAndMinimum() {
        var held = scaler { ($0.fp16InitScale, $0.thresholdLossScale) = (8, 2) }
        for _ in 0..<10 {
            let goesOn = held.overflow()
            #expect(goesOn)
        }
        #expect(held.scale == 2)
        var falling = scaler { ($0.fp16InitScale, $0.minLossScale) = (8, 1) }
        let goesOn = (0..<3).map { _ in falling.overflow() }
        #expect(goesOn == [true, true, false] && falling.scale == 2, "1 is the minimum, and is not used")
    }

    @Test func goesOnFromItsState() {
        var options = Recipe.PrecisionSection()
        options.fp16ScaleWindow = 5
        var one = LossScaler(options, updateFreq: 1)
        for update in 0..<7 { if update == 3 { _ = one.overflow() } else { one.succeed() } }
        var other = LossScaler(options, updateFreq: 1, state: one.state)
        for _ in 0..<9 {
            one.succeed()
            other.succeed()
            #expect(one.state == other.state)
        }
    }
}
