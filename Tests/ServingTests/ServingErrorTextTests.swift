import Foundation
import TestSupport
import Testing

@testable import W2VServing

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct ServingErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        var pretrained = ServedModel(facts: RunningServer.facts)
        pretrained.writesText = false
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
                RequestError.noTranslations,
                RequestError.noModel("whisper-1", ["first", "second"]),
                RequestError.unableModel(pretrained, .text, others: []),
                RequestError.unableModel(pretrained, .text, others: ["tuned"]),
                RequestError.unableModel(pretrained, .features, others: []),
                RequestError.featuresTooLarge(300 << 20, limit: 256 << 20),
                RequestError(ModelStore.Failure.noRoom(name: "tuned")),
                RequestError(ModelStore.Failure.unloadable(name: "tuned", CancellationError())),
            ],
            declaredIn: ["Use/Serving/ServerError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}
