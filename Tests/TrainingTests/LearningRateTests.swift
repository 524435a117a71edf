import Foundation
import TestSupport
import Testing
import W2VTorch

@testable import W2VTraining

@Suite(.onTestThreads) struct LearningRateTests {
    private static let golden = Repository.golden

    @Test func policiesEqualNVIDIAs() throws {
        let tensors = try TensorFile.read(Self.golden.appendingPathComponent("optim_nvidia.safetensors"))
        let steps = try #require(tensors["lr.steps"]).elements(Int64.self)
        let polynomial = try #require(tensors["lr.poly"]).elements(Double.self)
        let exponential = try #require(tensors["lr.exp"]).elements(Double.self)
        var poly = LearningRateSchedule()
        poly.peak = 5e-4
        poly.warmupUpdates = 10
        var exp = LearningRateSchedule()
        exp.policy = .exponential
        exp.peak = 3e-5
        exp.warmupUpdates = 10
        exp.holdUpdates = 40
        exp.initialScale = 0.01
        exp.finalScale = 0.05
        #expect(steps.count == 14)
        for (index, step) in steps.enumerated() {
            #expect(abs(poly.value(step: Int(step), maxUpdate: 100) - polynomial[index]) <= 1e-12)
            #expect(abs(exp.value(step: Int(step), maxUpdate: 100) - exponential[index]) <= 1e-12)
        }
        // Update u asks the policy for max(1, u − 1).
        #expect(poly.rate(update: 1, maxUpdate: 100) == 5e-5)
        #expect(poly.rate(update: 2, maxUpdate: 100) == 5e-5)
        #expect(poly.rate(update: 3, maxUpdate: 100) == 1e-4)
    }

    @Test func aConstantRateOnlyWarmsUp() {
        var schedule = LearningRateSchedule()
        schedule.policy = .constant
        schedule.peak = 1
        schedule.warmupUpdates = 4
        #expect(schedule.value(step: 2, maxUpdate: 10) == 0.5)
        #expect(schedule.value(step: 9, maxUpdate: 10) == 1)
        schedule.warmupUpdates = 0
        #expect(schedule.value(step: 1, maxUpdate: 10) == 1)
    }
}
