"""What people do with Python goes on under the filter."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.isolation.filters import HERE, confined

# By the modules that each needs.
WORKLOADS: dict[str, str] = {
    "numpy": """
        import numpy
        left = numpy.random.default_rng(1).random((700, 700))
        assert numpy.allclose(left @ numpy.linalg.inv(left), numpy.eye(700), atol=1e-6)
        numpy.save("a.npy", left)
        assert (numpy.load("a.npy", mmap_mode="r") == left).all()
    """,
    "pandas openpyxl pyarrow": """
        import pandas
        frame = pandas.DataFrame({"k": list("abab"), "v": range(4)})
        assert frame.groupby("k").v.sum().to_dict() == {"a": 2, "b": 4}
        frame.to_csv("a.csv")
        frame.to_excel("a.xlsx", index=False)
        frame.to_parquet("a.parquet")
        assert pandas.read_excel("a.xlsx").equals(frame)
        assert pandas.read_parquet("a.parquet").v.sum() == 6
    """,
    "pyarrow": """
        import pyarrow, pyarrow.csv, pyarrow.dataset, pyarrow.parquet
        table = pyarrow.table({"n": range(100_000)})
        pyarrow.parquet.write_table(table, "a.parquet")
        assert pyarrow.dataset.dataset("a.parquet").to_table(use_threads=True).num_rows == 100_000
        pyarrow.csv.write_csv(table, "a.csv")
        with pyarrow.memory_map("a.csv") as mapped:
            assert pyarrow.csv.read_csv(mapped).num_rows == 100_000
    """,
    "matplotlib": """
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.title("$x^2$")
        for kind in ("png", "pdf", "svg"):
            plt.savefig(f"a.{kind}")
        assert open("a.png", "rb").read(4)[1:] == b"PNG"
    """,
    "scipy": """
        import numpy, scipy.fft, scipy.linalg, scipy.optimize, scipy.stats
        matrix = numpy.random.default_rng(1).random((300, 300))
        assert scipy.linalg.svdvals(matrix).shape == (300,)
        assert abs(scipy.optimize.minimize(lambda x: (x[0] - 3) ** 2, [0.0]).x[0] - 3) < 1e-4
        assert scipy.fft.fft(matrix, workers=2).shape == (300, 300)
    """,
    "sklearn": """
        if __name__ == "__main__":
            import warnings
            warnings.simplefilter("error")
            from joblib import Parallel, delayed
            from sklearn.datasets import make_classification
            from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
            from sklearn.model_selection import cross_val_score
            x, y = make_classification(300, random_state=1)
            forest = RandomForestClassifier(10, n_jobs=2, random_state=1).fit(x, y)
            assert forest.score(x, y) > 0.9
            assert cross_val_score(forest.set_params(n_jobs=1), x, y, n_jobs=2).mean() > 0.7
            assert HistGradientBoostingClassifier(max_iter=5).fit(x, y).score(x, y) > 0.8
            for backend in ("loky", "threading", "multiprocessing"):
                assert Parallel(n_jobs=2, backend=backend)(delayed(abs)(-n) for n in range(3)) == [0, 1, 2]
    """,
    "sympy PIL lxml networkx statsmodels": """
        import lxml.etree, networkx, numpy, statsmodels.api, sympy
        from PIL import Image
        assert sympy.integrate(sympy.Symbol("x"), (sympy.Symbol("x"), 0, 2)) == 2
        Image.new("RGB", (64, 64)).resize((32, 32)).save("a.jpg")
        assert Image.open("a.jpg").size == (32, 32)
        assert lxml.etree.fromstring("<a><b/></a>")[0].tag == "b"
        assert networkx.path_graph(3).number_of_edges() == 2
        assert statsmodels.api.OLS([1.0, 2.0, 3.1], numpy.vander([1.0, 2.0, 3.0], 2)).fit().nobs == 3
    """,
    "IPython": """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        assert shell.run_cell("2 * 21").result == 42
        assert list(shell.getoutput("echo hello")) == ["hello"]
    """,
    "psutil": """
        import psutil
        me = psutil.Process()
        assert me.memory_info().rss > 0 and me.nice() == 0 and me.cpu_affinity() and me.rlimit(7)
        assert psutil.virtual_memory().total and psutil.disk_usage(".").total and psutil.cpu_count()
        psutil.cpu_percent()
        psutil.net_if_stats()
    """,
    "sqlite3": """
        import sqlite3
        for mode in ("delete", "wal"):
            base = sqlite3.connect(f"{mode}.db")
            assert base.execute(f"pragma journal_mode={mode}").fetchone() == (mode,)
            with base:
                base.execute("create table t (n)")
                base.executemany("insert into t values (?)", [(n,) for n in range(10)])
            assert sqlite3.connect(f"{mode}.db").execute("select sum(n) from t").fetchone() == (45,)
    """,
    "multiprocessing": """
        import concurrent.futures, multiprocessing
        from multiprocessing import shared_memory
        def square(n):
            return n * n
        if __name__ == "__main__":
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    assert pool.map(square, range(4)) == [0, 1, 4, 9]
            with concurrent.futures.ProcessPoolExecutor(2) as pool:
                assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
            with multiprocessing.Manager() as manager:
                assert manager.dict(a=1).copy() == {"a": 1}
            memory = shared_memory.SharedMemory(create=True, size=100)
            memory.buf[0] = 7
            memory.close()
            memory.unlink()
    """,
    "asyncio": """
        import asyncio
        async def main():
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            assert (await process.communicate(b"hello"))[0] == b"hello"
            server = await asyncio.start_server(lambda r, w: (w.write(b"hi"), w.close()), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b"hi"
            writer.close()
            server.close()
            assert await asyncio.to_thread(sum, [1, 2]) == 3
            asyncio.get_running_loop().add_signal_handler(10, print)
        asyncio.run(main())
    """,
    "socketserver": """
        import http.server, socket, threading, urllib.request
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert b"script.py" in urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read()
        server.shutdown()
        server.server_close()
        assert socket.getaddrinfo("localhost", 80)
        left, right = socket.socketpair()
        socket.send_fds(left, [b"x"], [0])
        assert len(socket.recv_fds(right, 1, 1)[1]) == 1
    """,
    "subprocess": """
        import shutil, subprocess
        def sh(line):
            return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout
        assert sh("seq 10 | sort -rn | head -n1 | tee a").split() == ["10"]
        assert sh("cat <(echo a) <(echo b) | wc -l").split() == ["2"]
        assert sh("set -m; sleep 100 & kill %1; wait; echo $?").split() == ["0"]
        for line in (
            "cp -a a b && mv b c && ln -s c d && tar czf x.tgz c && touch -d 2020-01-01 c && mkdir -p x/y",
            "mkfifo f && (echo x > f &) && read y < f && test $y = x",
            "nice -n 1 true && timeout 9 true && ulimit -n 64 && mktemp && sync",
            "dd if=/dev/zero of=z bs=1k count=9 status=none && truncate -s 1M z && stat z && df . && du .",
            "nproc && date && id && uname -a && env && ls -lR && find . -type f | xargs wc",
        ):
            sh(line)
        for optional in ("ps", "flock a true", "taskset -c 0 true", "ionice -c 3 true", "git init -q g"):
            if shutil.which(optional.split()[0]):
                sh(optional)
        assert subprocess.run("exit 3", shell=True).returncode == 3
        shutil.copy2("a", "e")
        shutil.make_archive("all", "zip", ".", "a")
        shutil.rmtree("x")
    """,
    "os": """
        import faulthandler, fcntl, mmap, os, pathlib, resource, select, signal, tempfile
        with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
            file.write(b"x" * 8192)
            file.flush()
            with mmap.mmap(file.fileno(), 8192) as mapped:
                mapped[0] = 1
                mapped.flush()
            fcntl.lockf(file, fcntl.LOCK_EX)
            fcntl.flock(file, fcntl.LOCK_EX)
            copy = os.open(f"{folder}/copy", os.O_CREAT | os.O_RDWR)
            assert os.copy_file_range(file.fileno(), copy, 10, 0) == os.sendfile(copy, file.fileno(), 0, 10)
            os.posix_fallocate(copy, 0, 100)
            os.truncate(copy, 1)
            os.fsync(copy)
            os.sync()
            os.mkfifo(f"{folder}/fifo")
            os.listxattr(folder)
            if hasattr(pathlib.Path, "copy"):
                pathlib.Path(folder, "copy").copy(f"{folder}/other")
        os.write(os.memfd_create("m"), b"data")
        os.sched_setaffinity(0, os.sched_getaffinity(0))
        os.setpriority(os.PRIO_PROCESS, 0, os.nice(1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        poll = select.epoll()
        poll.register(os.pidfd_open(os.getpid()))
        poll.register(os.eventfd(0))
        assert len(os.getrandom(8)) == 8
        signal.setitimer(signal.ITIMER_REAL, 100)
        signal.pthread_sigmask(signal.SIG_BLOCK, [10])
        faulthandler.enable()
        faulthandler.dump_traceback_later(100)
        faulthandler.cancel_dump_traceback_later()
        assert os.waitpid(os.posix_spawnp("true", ["true"], {}), 0)[1] == 0
    """,
    "pty": """
        import errno, fcntl, os, pty, struct, termios
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp("stty", ["stty", "-a"])
        termios.tcgetattr(terminal)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        assert b"speed" in os.read(terminal, 1000)
        assert os.waitpid(pid, 0)[1] == 0
        try:
            fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
        except OSError as error:
            assert error.errno == errno.ENOTTY
        else:
            raise AssertionError("TIOCSTI went through")
    """,
    "ctypes": """
        import ctypes, errno
        libc, attributes, mutex = ctypes.CDLL(None), *(ctypes.create_string_buffer(64) for _ in range(2))
        assert libc.pthread_mutexattr_init(attributes) == 0
        assert libc.pthread_mutex_init(mutex, attributes) == 0
        assert libc.pthread_mutexattr_setprotocol(attributes, 1) == 0
        assert libc.pthread_mutex_init(mutex, attributes) == errno.ENOTSUP  # no priority inheritance
    """,
}


@HERE
@pytest.mark.parametrize("name", WORKLOADS)
def test_real_work_goes_on_under_the_filter(name: str) -> None:
    for module in name.split():
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    lines = WORKLOADS[name].splitlines()
    code = "\n".join(line[8:] for line in lines) + "\nif __name__ == '__main__': print('done')\n"
    with TemporaryDirectory() as folder:  # of a short name: sockets are made in it
        run = confined(Path(folder), code)
    assert (run.returncode, run.stdout[-5:]) == (0, "done\n"), run.stderr
