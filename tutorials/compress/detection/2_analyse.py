"""Step 2: measure how much each group's pruning hurts, and look at the curves.

python 2_analyse.py --data DIR
"""

from common import SAVE, datasets, options

import paddleprune as pp

if __name__ == "__main__":
    given = options()
    _, eval_dataset = datasets(given.data, given.size)
    model = pp.load_model(f"{SAVE}/dense/best_model")
    file = f"{SAVE}/sensitivities.json"
    pp.slim.cal_params_sensitivities(model, file, eval_dataset, batch_size=16)
    for picture in pp.slim.visualize(model, file, save_dir=SAVE):
        print(picture)
