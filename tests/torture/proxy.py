"""A network that can be slow or cut: passes connections of one port on to another one."""

import asyncio
import threading


class Proxy:
    """Listens on `port` and passes everything on to `target`, both on the loopback interface.

    While it is cut nothing passes, in either direction, and no connection is closed: as where a cable is pulled."""

    def __init__(self, port, target):
        self.port, self.target = port, target
        self.delay = 0.0
        self.loop = asyncio.new_event_loop()
        self.passing = asyncio.Event()
        self.passing.set()
        self.ready = threading.Event()
        threading.Thread(target=self._run, name="proxy", daemon=True).start()
        if not self.ready.wait(10):
            raise RuntimeError(f"the proxy does not listen on port {port}")

    def cut(self):
        self.loop.call_soon_threadsafe(self.passing.clear)

    def slow(self, seconds):
        """Each piece of data comes so much later, one way."""
        self.delay = seconds

    def heal(self):
        self.delay = 0.0
        self.loop.call_soon_threadsafe(self.passing.set)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", self.port))
        self.ready.set()
        self.loop.run_forever()

    async def _accept(self, reader, writer):
        await self.passing.wait()
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        ways = [self._pass(reader, there[1]), self._pass(there[0], writer)]
        await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, reader, writer):
        """One way. What is on its way is kept in order, and a delay does not make it slower, only later."""
        line = asyncio.Queue(maxsize=1_000)
        sender = asyncio.create_task(self._send(line, writer))
        try:
            while data := await reader.read(1 << 16):
                await line.put((self.loop.time() + self.delay, data))
        except OSError:
            pass
        await line.put((0, None))
        await sender

    async def _send(self, line, writer):
        try:
            while True:
                due, data = await line.get()
                if data is None:
                    break
                if (wait := due - self.loop.time()) > 0:
                    await asyncio.sleep(wait)
                await self.passing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            # The queue goes on to be emptied: whoever reads must not wait for it.
            while (await line.get())[1] is not None:
                pass
        finally:
            writer.close()
