"""placeholder"""
def draw_matplotlib(circuit): return ""
