import Foundation
import TestSupport
import Testing

/// Waits for the line with the port that the program listens on.
func servingPort(of process: Process) -> UInt16? {
    var port: UInt16?
    try? wait(for: "the address") {
        let output = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/fd/1", encoding: .utf8)
        if let line = output?.split(separator: "\n").first,
            let ready = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            let url = (ready["url"] as? String).flatMap({ URL(string: $0) })
        {
            port = url.port.flatMap { UInt16(exactly: $0) }
        }
        return port != nil || !process.isRunning
    }
    return port
}

@Suite(.onTestThreads) struct ServeCommandTests {
    @Test(arguments: [(SIGTERM, Int32(143)), (SIGINT, Int32(130))])
    func requestsAreAnsweredUntilASignalComes(signal: Int32, code: Int32) throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let uploads = folder.appendingPathComponent("uploads")
            try FileManager.default.createDirectory(at: uploads, withIntermediateDirectories: true)
            let audio = try Data(contentsOf: URL(fileURLWithPath: fixture.audio + "/1.wav"))
            let head =
                "POST /v1/transcribe?filename=1.wav HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(audio.count)\r\n\r\n"
            var replies: [TestReply] = []
            let outcome = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0", "--json"],
                environment: ["TMPDIR": uploads.path]
            ) { process in
                guard let port = servingPort(of: process), let client = try? TestClient(port: port),
                    let late = try? TestClient(port: port)
                else { return process.terminate() }
                client.send(Data(head.utf8) + audio)
                if let reply = try? client.response() { replies.append(reply) }
                // A request that has started is answered; the rest of it arrives after the signal.
                late.send(Data(head.utf8) + audio.prefix(10_000))
                try? wait(for: "the second upload") {
                    (try? FileManager.default.subpathsOfDirectory(atPath: uploads.path))?.count == 2
                }
                kill(process.processIdentifier, signal)
                Thread.sleep(forTimeInterval: 0.1)
                late.send(audio.dropFirst(10_000))
                if let reply = try? late.response() { replies.append(reply) }
            }
            #expect(outcome.code == code, "\(outcome.errors)")
            let expected = try run(
                ["transcribe", "--checkpoint", fixture.checkpoint, "--json", "1.wav"],
                in: URL(fileURLWithPath: fixture.audio))
            #expect(replies.map(\.text) == [expected.output, expected.output])
            let lines = try outcome.output.split(separator: "\n").map {
                try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            #expect(lines.map { $0["event"] as? String } == ["ready", "request", "request"])
            #expect(lines[0]["device"] as? String == "cpu" && lines[0]["precision"] as? String == "fp32")
            #expect(lines[1]["status"] as? Int == 200 && lines[1]["audio_seconds"] as? Double == 1)
            let errors = outcome.errors.split(separator: "\n")
            #expect(errors.count == 4 && errors[0].hasPrefix("serve: http://127.0.0.1:"), "\(outcome.errors)")
            #expect(errors[1].hasPrefix("POST /v1/transcribe 200 1.00 s of audio in "), "\(outcome.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: uploads.path).isEmpty)
        }
    }

    @Test func whatCannotBeServedIsNamed() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            func expect(_ code: Int32, _ text: String, _ more: String..., checkpoint: String? = nil) throws {
                let outcome = try run(["serve", "--checkpoint", checkpoint ?? fixture.checkpoint] + more)
                #expect(outcome.code == code && outcome.errors.contains(text), "\(outcome.code): \(outcome.errors)")
                #expect(outcome.output == "")
            }
            let other = try TestServer(files: [:])
            defer { other.stop() }
            let port = try #require(other.address.split(separator: ":").last.map(String.init))
            try expect(1, "127.0.0.1 port \(port): another program listens there", "--port", port)
            try expect(64, "--host nowhere.invalid is not an address", "--host", "nowhere.invalid", "--port", "0")
            let missing = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0"],
                environment: ["TMPDIR": folder.path + "/missing"])
            #expect(missing.code == 1 && missing.errors.contains("/missing: the folder for uploads cannot be made"))
            try expect(65, "none: there is no such file or folder", "--port", "0", checkpoint: "none")
            try expect(64, "--port is 70000", "--port", "70000")
            try expect(64, "--allow-origin is app.example", "--allow-origin", "app.example")
            try expect(64, "--allow-origin is https://app.example/", "--allow-origin", "https://app.example/")
            try expect(64, "--allow-host is speech:80", "--allow-host", "speech:80")
            try expect(64, "--max-upload-mb is 0", "--max-upload-mb", "0")
            try expect(64, "--max-waiting is 0", "--max-waiting", "0")
            try expect(64, "--max-audio-seconds must", "--max-audio-seconds", "0")
            try expect(64, "--lexicon-only needs words", "--lexicon-only")
        }
    }

    @Test func requestsStayOnTheirLineOfTheLog() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let outcome = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0", "--json"],
                environment: ["TMPDIR": folder.path]
            ) { process in
                defer { process.terminate() }
                guard let port = servingPort(of: process), let client = try? TestClient(port: port) else { return }
                client.send(
                    "GET /health%0aPOST%20/v1/transcribe%20200%1b[31m%c2%9b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                _ = try? client.response()
            }
            #expect(outcome.code == 143)
            let lines = outcome.errors.split(separator: "\n")
            #expect(lines.count == 3, "\(outcome.errors)")
            #expect(
                lines.dropFirst().first?.hasPrefix(
                    "GET /health<U+000A>POST /v1/transcribe 200<U+001B>[31m<U+009B> 404 ") == true, "\(outcome.errors)")
            // In JSON the path is unchanged.
            let event = try #require(outcome.output.split(separator: "\n").last)
            let object = try JSONSerialization.jsonObject(with: Data(event.utf8)) as? [String: Any]
            #expect(object?["path"] as? String == "/health\nPOST /v1/transcribe 200\u{1B}[31m\u{9B}")
        }
    }

    /// An ffmpeg that never ends stands for a recording that takes too long.
    @Test func nothingIsDecodedForClientsThatHaveGone() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let programs = folder.appendingPathComponent("programs")
            try FileManager.default.createDirectory(at: programs, withIntermediateDirectories: true)
            let program = programs.appendingPathComponent("ffmpeg")
            let mark = folder.appendingPathComponent("pid").path
            try Data("#!/bin/sh\necho $$ > '\(mark)'\nexec /bin/sleep 1000\n".utf8).write(to: program)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)
            var decoder: Int32?
            var isGone = false
            let outcome = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0", "--json"],
                environment: ["TMPDIR": folder.path, "PATH": programs.path]
            ) { process in
                defer { process.terminate() }
                guard let port = servingPort(of: process) else { return }
                var client = try? TestClient(port: port)
                client?.send(
                    "POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 14\r\n\r\nno known audio")
                try? wait(for: "ffmpeg") {
                    decoder = (try? String(contentsOfFile: mark, encoding: .utf8)).flatMap {
                        Int32($0.trimmingCharacters(in: .newlines))
                    }
                    return decoder != nil
                }
                client = nil
                try? wait(for: "ffmpeg's end") { decoder.map { kill($0, 0) != 0 } ?? true }
                isGone = decoder.map { kill($0, 0) != 0 } ?? false
            }
            #expect(decoder != nil && isGone)
            #expect(outcome.code == 143, "\(outcome.errors)")
            #expect(outcome.errors.contains("POST /v1/transcribe 499"), "\(outcome.errors)")
        }
    }

    /// The bytes of memory that a process has written to.
    private func memory(of process: Process) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(process.processIdentifier)/smaps_rollup", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("Anonymous:") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) << 10
    }

    @Test func requestsLeaveNoMemoryBehind() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            var growth: Int?
            let outcome = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0", "--json", "--quiet"],
                environment: ["TMPDIR": folder.path]
            ) { process in
                defer { process.terminate() }
                guard let port = servingPort(of: process) else { return }
                func ask(_ connections: Int) throws {
                    for _ in 0..<connections {
                        let client = try TestClient(port: port)
                        let one = Data("GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".utf8)
                        client.send((0..<100).reduce(into: Data()) { bytes, _ in bytes += one })
                        for _ in 0..<100 { _ = try client.response() }
                    }
                }
                do {
                    try ask(30)
                    let before = try memory(of: process)
                    try ask(80)
                    growth = try memory(of: process) - before
                } catch { Issue.record(error) }
            }
            #expect(outcome.code == 143, "\(outcome.errors)")
            // 8,000 requests: 100 bytes for each would be seen.
            #expect(try #require(growth) < 800_000)
        }
    }

    @Test func withoutDescriptorsTheServerWaits() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let audio = try Data(contentsOf: URL(fileURLWithPath: fixture.audio + "/1.wav"))
            let head = "POST /v1/transcribe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(audio.count)\r\n\r\n"
            var statuses: [Int] = []
            let outcome = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0", "--json"],
                environment: ["TMPDIR": folder.path], openFileLimit: 100
            ) { process in
                defer { process.terminate() }
                do {
                    guard let port = servingPort(of: process) else { return }
                    let honest = try TestClient(port: port)
                    honest.send(Data(head.utf8) + audio.prefix(10_000))
                    var others: [TestClient] = try (0..<150).map { _ in try TestClient(port: port) }
                    Thread.sleep(forTimeInterval: 0.5)
                    honest.send(audio.dropFirst(10_000))
                    statuses.append(try honest.response().status)
                    others = []
                    _ = others
                    let late = try TestClient(port: port)
                    late.send("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    statuses.append(try late.response().status)
                } catch { Issue.record(error) }
            }
            #expect(outcome.code == 143 && statuses == [200, 200], "\(outcome.errors)")
        }
    }

    /// The processor time that a process has taken, in seconds.
    private func processorSeconds(of process: Process) throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(process.processIdentifier)/stat", encoding: .utf8)
        let fields = text.split(separator: ")").last?.split(separator: " ").compactMap { Double($0) } ?? []
        // The state is a letter; user and system time are the 11th and 12th numbers after it.
        return (fields[10] + fields[11]) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Connections that cannot be accepted are tried again after a while, and said in the log.
    @Test func acceptingIsTriedAgainWithPatience() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            var seconds: Double?
            var status: Int?
            let outcome = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0", "--json"],
                environment: ["TMPDIR": folder.path]
            ) { process in
                defer { process.terminate() }
                do {
                    guard let port = servingPort(of: process) else { return }
                    func limit(_ files: Int) throws {
                        let tool = URL(fileURLWithPath: "/usr/bin/prlimit")
                        _ = try runTool(tool, ["--nofile=\(files):", "--pid", "\(process.processIdentifier)"])
                    }
                    let open = try FileManager.default.contentsOfDirectory(
                        atPath: "/proc/\(process.processIdentifier)/fd"
                    ).compactMap { Int($0) }
                    // New descriptors get the lowest free numbers, and the limit is one of numbers.
                    let free = (0...open.count).first { !open.contains($0) }
                    try limit(try #require(free) + 2)
                    let waiting = try (0..<20).map { _ in try TestClient(port: port) }
                    Thread.sleep(forTimeInterval: 0.2)
                    let before = try processorSeconds(of: process)
                    Thread.sleep(forTimeInterval: 3)
                    seconds = try processorSeconds(of: process) - before
                    try limit(1000)
                    let last = try #require(waiting.last)
                    last.send("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    status = try last.response().status
                } catch { Issue.record(error) }
            }
            #expect(outcome.code == 143 && status == 200, "\(outcome.errors)")
            #expect(try #require(seconds) < 1)
            #expect(outcome.errors.contains("listening failed (Too many open files)"), "\(outcome.errors)")
        }
    }

    /// A reader of the log that takes nothing does not keep the server from stopping.
    @Test func signalsCountWhileNobodyReadsTheLog() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let process = Process()
            process.executableURL = try BuiltProgram.url
            process.arguments = ["serve", "--checkpoint", fixture.checkpoint, "--port", "0"]
            process.environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": folder.path]) { $1 }
            process.standardOutput = FileHandle.nullDevice
            let log = Pipe()
            process.standardError = log
            // The process shares the flags of its end of the pipe; `run` closes ours.
            let end = fcntl(log.fileHandleForWriting.fileDescriptor, F_DUPFD_CLOEXEC, 0)
            defer { close(end) }
            try process.run()
            defer { kill(process.processIdentifier, SIGKILL) }
            #expect(String(decoding: log.fileHandleForReading.availableData, as: UTF8.self).hasPrefix("serve: "))
            let flags = fcntl(end, F_GETFL)
            _ = fcntl(end, F_SETFL, flags | O_NONBLOCK)
            for size in [65_536, 1] {
                let filling = [UInt8](repeating: 10, count: size)
                while write(end, filling, size) > 0 {}
            }
            _ = fcntl(end, F_SETFL, flags)
            process.terminate()
            try wait(for: "the end of the server") { !process.isRunning }
            #expect(!process.isRunning && process.terminationStatus == 143)
        }
    }

    @Test func keysAndCertificatesAreGivenAsFiles() throws {
        try withTemporaryFolder { folder in
            let fixture = try Fixture(folder)
            let certificate = Repository.fixtures.appendingPathComponent("tls/cert.pem").path
            let key = Repository.fixtures.appendingPathComponent("tls/key.pem").path
            func expect(_ code: Int32, _ text: String, _ more: String...) throws {
                let outcome = try run(["serve", "--checkpoint", fixture.checkpoint, "--port", "0"] + more)
                #expect(outcome.code == code && outcome.errors.contains(text), "\(outcome.code): \(outcome.errors)")
            }
            try expect(64, "belong together", "--tls-certificate", certificate)
            try expect(65, "\(key): cannot be used", "--tls-certificate", key, "--tls-key", key)
            try expect(65, "\(folder.path)/none: cannot be used", "--api-key-file", folder.path + "/none")
            try expect(64, "--max-connections is 0", "--max-connections", "0")
            let keys = folder.appendingPathComponent("keys")
            try Data("sk-0123456789abcdef\n".utf8).write(to: keys)
            var status: Int?
            let outcome = try run(
                ["serve", "--checkpoint", fixture.checkpoint, "--port", "0", "--json", "--api-key-file", keys.path],
                environment: ["TMPDIR": folder.path]
            ) { process in
                defer { process.terminate() }
                guard let port = servingPort(of: process), let client = try? TestClient(port: port) else { return }
                client.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: my-request\r\n\r\n")
                status = try? client.response().status
            }
            #expect(outcome.code == 143 && status == 401)
            let line = try #require(outcome.output.split(separator: "\n").last)
            let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(event?["identifier"] as? String == "my-request" && event?["client"] as? String == "127.0.0.1")
            #expect(event?["time"] is String && outcome.errors.contains("my-request from 127.0.0.1"))
        }
    }
}
