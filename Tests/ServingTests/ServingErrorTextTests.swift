import Foundation
import TestSupport
import Testing

@testable import W2VServing

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct ServingErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                ServerError.badHost("x", reason: "no such host"),
                ServerError.addressInUse(host: "127.0.0.1", port: 8080),
                ServerError.cannotListen(host: "127.0.0.1", port: 80, reason: "Permission denied"),
                ServerError.noFolder("/tmp", reason: "Permission denied"),
                ServerError.badCertificate("/srv/key.pem", reason: "it is not the key of /srv/cert.pem"),
                ServerError.badKeys("/srv/keys", reason: "it has no keys"),
                RequestError.uploadTooLarge(limit: 25 << 20),
                RequestError.audioTooLong(limit: 600),
                RequestError.tooLoud("a.wav", peak: 9),
                RequestError.noLength,
                RequestError.tooMany,
                RequestError.stopping,
                RequestError.loading,
                RequestError.timeout,
                RequestError.gone,
            ],
            declaredIn: ["Use/Serving/ServerError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}
