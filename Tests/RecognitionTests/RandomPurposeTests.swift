import TestSupport
import Testing
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VFeatures
import W2VObjectives
import W2VRecognition
import W2VTorch

@Suite(.onTestThreads) struct RandomPurposeTests {
    /// Libraries declare purposes of their own; two with the same number would draw the same random numbers.
    @Test func purposesAreDifferent() {
        let all: [RandomPurpose] = [
            .initialization, .shuffle, .crop, .timeMask, .channelMask, .negatives, .gumbelNoise, .dropout, .layerDrop,
            .synthesis, .bootstrap, .split, .clustering, .objective,
        ]
        // Runs are reproducible only if the numbers stay the same.
        #expect(all.map(\.rawValue) == Array(1...14))
    }
}
