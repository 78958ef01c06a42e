"""Code for a Python kernel that publishes many small stream messages, none of which the kernel itself drops."""


def burst_code(count, padding=0):
    """Publishes `count` messages on stdout, each a line with its number and then `padding` letters.

    A plain ipykernel drops what exceeds its own high-water mark; without one, a loss is the proxy's.
    """
    return f"""
kernel = get_ipython().kernel
kernel.iopub_thread.schedule(lambda: setattr(kernel.iopub_thread.socket, "sndhwm", 0))
parent = kernel.get_parent("shell")
for number in range({count}):
    text = f"{{number}}" + {padding} * "y" + "\\n"
    kernel.session.send(kernel.iopub_socket, "stream", {{"name": "stdout", "text": text}}, parent=parent, ident=b"stream")
"""
