import ArgumentParser
import Foundation
import W2VBase
import W2VCluster

/// `wav2vec2 launch`: starts several processes that train together, on one machine or on several.
struct LaunchCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Start and supervise a group of processes that work together.",
        discussion: """
            Every process runs the command after --, as 'wav2vec2 …'. If one process fails, all of them stop and its \
            message is printed; --restarts starts them again from the last checkpoint. Processes on several machines \
            meet at the launcher of machine 0. torchrun, srun and mpirun can start the processes instead; their \
            environment variables are understood.

            Examples:
              wav2vec2 launch --processes 8 -- pretrain --recipe base …
              wav2vec2 launch --processes 8 --restarts 3 --logs logs -- finetune …
              wav2vec2 launch --processes 8 --nodes 2 --node-rank 1 \\
                --rendezvous node0:29500 -- pretrain …
            """)

    @Option(help: "Number of processes on this machine: one per GPU.")
    var processes: Int

    @Option(help: "Number of machines.")
    var nodes = 1

    @Option(help: "Number of this machine, counted from 0.")
    var nodeRank = 0

    @Option(help: ArgumentHelp("Address of machine 0, where the machines meet.", valueName: "host:port"))
    var rendezvous: String?

    @Option(help: "Number of restarts after a failure.")
    var restarts = 0

    @Option(help: "Folder for the output of every process, as rank-N.log.", completion: .directory)
    var logs: String?

    @Option(help: ArgumentHelp("Time that processes have to exit after one of them failed.", valueName: "seconds"))
    var grace = 30.0

    @Option(help: ArgumentHelp("Longest time to wait for the other machines.", valueName: "seconds"))
    var joinTimeout = 300.0

    @Argument(parsing: .postTerminator, help: "Command for every process to run, with its options.")
    var command: [String] = []

    @OptionGroup var logging: LogOptions

    func validate() throws {
        if processes < 1 { throw ValidationError("--processes is \(processes); it must be at least 1.") }
        if nodes < 1 || !(0..<nodes).contains(nodeRank) {
            throw ValidationError(
                "--node-rank is \(nodeRank); with --nodes \(nodes) it must be from 0 to \(nodes - 1).")
        }
        if nodes > 1, rendezvous == nil {
            throw ValidationError("--nodes \(nodes) needs --rendezvous HOST:PORT, an address of machine 0.")
        }
        if command.isEmpty { throw ValidationError("The command is missing: write it after --.") }
        for (name, value) in [("--grace", grace), ("--join-timeout", joinTimeout)] where !(0...1e6).contains(value) {
            throw ValidationError("\(name) is \(value); it must be from 0 to 1000000 seconds.")
        }
        if restarts < 0 { throw ValidationError("--restarts is \(restarts); it must be at least 0.") }
    }

    func run() throws {
        var plan = LaunchPlan(
            executable: Self.program, arguments: command + logging.passedOn(to: command), processes: processes)
        (plan.nodes, plan.nodeRank, plan.restarts) = (nodes, nodeRank, restarts)
        (plan.grace, plan.joinTimeout) = (grace, joinTimeout)
        plan.namesRanks = logging.logFormat == .text
        plan.logFolder = logs.map(fileURL)
        if let rendezvous { (plan.host, plan.port) = try Self.address(rendezvous) }
        if ["pretrain", "finetune"].contains(command[0]) { plan.resumeArguments = ["--resume"] }
        // The processes keep running if the reader of their output is gone.
        signal(SIGPIPE, SIG_IGN)
        let signals = StopSignal()
        switch try Launcher(plan, logger: Console.logger("launch")).run(stop: { signals.received }) {
        case .finished: return
        case .stopped(let signal): throw ExitCode(signal: signal)
        case .failed(let code, let reason):
            Console.logger("launch").error("\(reason)", metadata: ["exit_code": .stringConvertible(code)])
            throw ExitCode(code)
        }
    }

    /// The path of this program, whatever its name and folder.
    static var program: URL {
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return fileURL(path ?? CommandLine.arguments[0])
    }

    private static func address(_ text: String) throws -> (String, Int) {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex,
            let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port)
        else {
            throw ValidationError("--rendezvous is '\(text)', where HOST:PORT is expected, such as node0:29500.")
        }
        return (String(text[..<colon]), port)
    }
}
