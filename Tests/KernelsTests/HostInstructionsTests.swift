import Foundation
import TestSupport
import Testing
import W2VKernels

@Suite(.onTestThreads) struct HostInstructionsTests {
    @Test func areWhatWasAskedFor() {
        #if arch(x86_64)
        #expect(["plain", "avx2", "avx512", "avx512_vnni"].contains(HostInstructions.inUse))
        #elseif arch(arm64)
        #expect(["plain", "neon", "neon_dotprod", "neon_i8mm"].contains(HostInstructions.inUse))
        #endif
        // `make test` requests lesser instructions, which every current processor has.
        if let limit = ProcessInfo.processInfo.environment["WAV2VEC2_INSTRUCTIONS"], !limit.isEmpty {
            #expect(HostInstructions.inUse == limit)
        }
    }
}
