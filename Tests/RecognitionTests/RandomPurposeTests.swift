import Testing
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VFeatures
import W2VObjectives
import W2VRecognition
import W2VTorch

/// Libraries declare their own purposes; two with one number would draw the same random numbers.
@Test func randomPurposesAreDifferent() {
    let all: [RandomPurpose] = [
        .initialization, .shuffle, .crop, .timeMask, .channelMask, .negatives, .gumbelNoise, .dropout, .layerDrop,
        .synthesis, .bootstrap, .split, .clustering, .objective,
    ]
    // Numbers are part of a run's reproducibility.
    #expect(all.map(\.rawValue) == Array(1...14))
}
