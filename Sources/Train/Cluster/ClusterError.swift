import W2VBase

/// Errors of processes that should work together.
public enum ClusterError: ExplainedError, Equatable {
    /// The environment gives a process a rank that is not below the number of processes.
    case badRank(Int, size: Int)
    /// A variable that each of several processes needs is not set.
    case missingVariable(String)
    /// A variable has an unexpected value.
    case badVariable(String, value: String, expected: String)
    /// The rendezvous' port is in use.
    case portInUse(Int, by: Member)
    /// A launcher cannot serve the rendezvous; `reason` is LibTorch's.
    case cannotServe(host: String, port: Int, reason: String)
    /// The rendezvous does not exist, or cannot be reached.
    case noRendezvous(Member, host: String, port: Int, seconds: Int)
    /// The rendezvous no longer answers; `reason` is LibTorch's.
    case lostRendezvous(Member, host: String, port: Int, reason: String)
    /// Processes, or the launcher of a machine, have not arrived in time.
    case missing(Member, waitingFor: Member, host: String, port: Int, seconds: Int)
    /// Processes have met, but cannot connect to each other from the interface or address `source`.
    case noConnection(Member, host: String, port: Int, source: String, reason: String)
    /// Tensors of a GPU cannot be exchanged by NCCL.
    case noNCCL(Member, device: String, reason: String)
    /// Two launchers have the same machine number.
    case sameMachine(Int, host: String, port: Int)
    /// Launchers were started with different numbers; `other` and `own` describe them.
    case otherLaunch(machine: Int, other: String, ownMachine: Int, own: String)
    /// Processes were started with different work; `process` and `leader` name the processes, `differences` what
    /// differs.
    case otherWork(rank: Int, process: String, leader: String, differences: [String])
    /// A launcher cannot write the log of a process.
    case unwritableLog(String)
    /// Rank 0, which serves the rendezvous, is gone.
    case lostLeader(Member, host: String)
    /// Processes have stopped giving signs of life; `names` lists them with their progress.
    case silent(Member, names: String)
    /// Processes are alive, but have not started the collective that the others are waiting in; `names` lists them with
    /// their progress.
    case stuck(Member, names: String)
    /// Tensors cannot be exchanged, for an unknown reason.
    case noExchange(Member, reason: String)
    /// Another process failed first, with this sentence.
    case elsewhere(Member, failed: Int, sentence: String, kind: ErrorKind)

    /// A participant, for messages.
    public enum Member: Sendable, Equatable, CustomStringConvertible {
        /// One process of several.
        case rank(Int, of: Int)
        /// Several processes.
        case ranks([Int])
        /// The launcher of a machine.
        case machine(Int)

        /// The participant's name in messages.
        public var description: String {
            switch self {
            case .rank(let rank, let size): "rank \(rank) of \(size)"
            case .ranks(let ranks): "rank \(ranks.map(String.init).joined(separator: ", "))"
            case .machine(let number): "machine \(number)"
            }
        }
    }

    /// Usage if processes were started wrongly, otherwise failure.
    public var kind: ErrorKind {
        switch self {
        case .badRank, .missingVariable, .badVariable, .sameMachine, .otherLaunch, .otherWork: .usage
        case .elsewhere(_, _, _, let kind): kind
        default: .failure
        }
    }

    /// The problem, the processes concerned, and what to do about it.
    public var explanation: Explanation {
        switch self {
        case .badRank(let rank, let size):
            Explanation(
                "this process is rank \(rank) of \(size), but ranks count from 0 to \(size - 1)",
                "check RANK and WORLD_SIZE")
        case .missingVariable(let name):
            Explanation(
                "the environment describes a process among others, but \(name) is not set",
                "start the processes with \(.launchers), or set RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT"
            )
        case .badVariable(let name, let value, let expected):
            Explanation("\(name) is '\(value)', where \(expected) is expected")
        case .portInUse(let port, .machine):
            Explanation(
                "port \(port) of this machine is in use, so the rendezvous cannot be served",
                "choose another port for \(.rendezvousAddress), or end the process that holds it")
        case .portInUse(let port, _):
            Explanation(
                "port \(port) of this machine is in use, so rank 0 cannot serve the rendezvous",
                "choose another MASTER_PORT, or end the process that holds it")
        case .cannotServe(let host, let port, let reason):
            Explanation("the rendezvous cannot be served at \(host):\(port) (\(reason))", "check \(.rendezvousAddress)")
        case .noRendezvous(let member, let host, let port, let seconds):
            Explanation(
                "\(member) found no rendezvous at \(host):\(port) within \(seconds) s",
                member.isLauncher
                    ? """
                    check \(.rendezvousAddress), that the launcher of machine 0 runs, and that no other program listens \
                    there
                    """ : "check MASTER_ADDR and MASTER_PORT, and that rank 0 has been started and can be reached")
        case .lostRendezvous(let member, let host, let port, let reason):
            Explanation(
                "\(member) lost the rendezvous at \(host):\(port) (\(reason))",
                member.isLauncher ? "look at the output of machine 0's launcher" : "look at the output of rank 0")
        case .missing(let member, let others, let host, let port, let seconds):
            Explanation(
                "\(member) waited \(seconds) s at \(host):\(port) for \(others)",
                member.isLauncher
                    ? "start its launcher, or check \(.machineNumbers)"
                    : "start them, or check that WORLD_SIZE is the number of processes")
        case .noConnection(let member, let host, let port, let source, let reason):
            Explanation(
                "\(member) met the others at \(host):\(port), but no connection between the processes could be made from "
                    + "\(source) (\(reason))",
                "check that no firewall is between the machines, or name another network interface by GLOO_SOCKET_IFNAME"
            )
        case .noNCCL(let member, let device, let reason):
            Explanation(
                "\(member) cannot exchange tensors of \(device) by NCCL (\(reason))",
                "\(.installCUDA), or set distributed.backend=gloo, which is slower")
        case .sameMachine(let number, let host, let port):
            Explanation(
                "two launchers at \(host):\(port) have the machine number \(number)",
                "give each machine \(.ownMachineNumber)")
        case .otherLaunch(let machine, let other, let ownMachine, let own):
            Explanation(
                "machine \(machine) was launched with \(other), machine \(ownMachine) with \(own)",
                "launch all machines with the same numbers")
        case .otherWork(let rank, let process, let leader, let differences):
            Explanation(
                "rank \(rank) (\(process)) was started for other work than rank 0 (\(leader)): "
                    + differences.joined(separator: "; "),
                "start every process with the same program, recipe and options")
        case .unwritableLog(let path):
            Explanation("\(path): the log cannot be written", "check the folder and the disk")
        case .lostLeader(let member, let host):
            Explanation(
                "\(member) lost rank 0 at \(host)",
                "check its output, its machine and the network to it, then \(.resume)")
        case .silent(let member, let names):
            Explanation(
                "\(member) lost \(names), which gives no sign of life",
                "check the output of that process and its machine, then \(.resume)")
        case .stuck(let member, let names):
            Explanation(
                "\(member) timed out waiting for \(names), which is alive but not making progress: it is stuck in what it "
                    + "computes or reads, or slower than distributed.timeout allows",
                "check that process, then \(.resume)")
        case .noExchange(let member, let reason):
            Explanation(
                "\(member) could not exchange tensors with the others (\(reason))",
                "check the network between the machines, then \(.resume)")
        case .elsewhere(let member, let failed, let sentence, _):
            Explanation("\(member) ends because rank \(failed) failed: \(sentence)")
        }
    }
}

extension ClusterError.Member {
    fileprivate var isLauncher: Bool { if case .machine = self { true } else { false } }
}

extension Phrase {
    /// Programs that start processes that belong together.
    public static let launchers = Phrase("a launcher such as torchrun, srun or mpirun", name: "launchers")
    /// The address where launchers and processes meet.
    public static let rendezvousAddress = Phrase("the address of the rendezvous", name: "rendezvousAddress")
    /// The number of machines, and the number of each one.
    public static let machineNumbers = Phrase(
        "the number of machines and this machine's own number", name: "machineNumbers")
    /// The number of one machine.
    public static let ownMachineNumber = Phrase("a number of its own", name: "ownMachineNumber")

    /// The numbers that must be the same for all launchers.
    public static func launch(machines: Int, processes: Int, restarts: Int) -> Phrase {
        Phrase(
            "\(machines) machines of \(processes) processes and \(restarts) restarts",
            values: [machines, processes, restarts].map(String.init), name: "launch")
    }
}
