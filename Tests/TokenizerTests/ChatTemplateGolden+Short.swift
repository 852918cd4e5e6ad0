extension ChatTemplateGolden {
    static let smollm2 = ChatTemplateGolden(
        name: "smollm2", beginText: "<|im_start|>", endText: "<|im_end|>",
        source: #"""
            {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' \#
            %}{{ '<|im_start|>system
            You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
            ' }}{% endif %}{{'<|im_start|>' + message['role'] + '
            ' + message['content'] + '<|im_end|>' + '
            '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
            ' }}{% endif %}
            """#,
        greeting: #"""
            <|im_start|>system
            You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
            <|im_start|>user
            Hi there<|im_end|>
            <|im_start|>assistant

            """#,
        dialogue: #"""
            <|im_start|>system
             Be brief.
            <|im_end|>
            <|im_start|>user
              What is 2+2?
            <|im_end|>
            <|im_start|>assistant
            <think>
            add
            </think>

            It is 4. <|im_end|>
            <|im_start|>user
            And <|im_end|> or </s>?<|im_end|>

            """#)

    static let chatml = ChatTemplateGolden(
        name: "chatml", beginText: "", endText: "<|im_end|>",
        source: #"""
            {%- for message in messages %}
                {{- '<|im_start|>' + message['role'] + '\n' + message['content'] | trim + \#
            '<|im_end|>' + '\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\n' }}
            {%- endif %}

            """#,
        greeting: #"""
            <|im_start|>user
            Hi there<|im_end|>
            <|im_start|>assistant

            """#,
        dialogue: #"""
            <|im_start|>system
            Be brief.<|im_end|>
            <|im_start|>user
            What is 2+2?<|im_end|>
            <|im_start|>assistant
            <think>
            add
            </think>

            It is 4.<|im_end|>
            <|im_start|>user
            And <|im_end|> or </s>?<|im_end|>

            """#)

    static let zephyr = ChatTemplateGolden(
        name: "zephyr", beginText: "<s>", endText: "</s>",
        source: #"""
            {% for message in messages %}
            {% if message['role'] == 'user' %}
            {{ '<|user|>\n' + message['content'] + eos_token }}
            {% elif message['role'] == 'system' %}
            {{ '<|system|>\n' + message['content'] + eos_token }}
            {% elif message['role'] == 'assistant' %}
            {{ '<|assistant|>\n'  + message['content'] + eos_token }}
            {% endif %}
            {% if loop.last and add_generation_prompt %}
            {{ '<|assistant|>' }}
            {% endif %}
            {% endfor %}
            """#,
        greeting: #"""
            <|user|>
            Hi there</s>
            <|assistant|>

            """#,
        dialogue: #"""
            <|system|>
             Be brief.
            </s>
            <|user|>
              What is 2+2?
            </s>
            <|assistant|>
            <think>
            add
            </think>

            It is 4. </s>
            <|user|>
            And <|im_end|> or </s>?</s>

            """#)

    static let llama2 = ChatTemplateGolden(
        name: "llama2", beginText: "<s>", endText: "</s>",
        source: #"""
            {% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% \#
            set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = \#
            messages %}{% set system_message = false %}{% endif %}{% for message in \#
            loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ \#
            raise_exception('Conversation roles must alternate \#
            user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and \#
            system_message != false %}{% set content = '<<SYS>>\n' + system_message + \#
            '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = \#
            message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + \#
            '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' \#
            %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}
            """#,
        greeting: #"""
            <s>[INST] Hi there [/INST]
            """#,
        dialogue: #"""
            <s>[INST] <<SYS>>
             Be brief.

            <</SYS>>

              What is 2+2? [/INST] <think>
            add
            </think>

            It is 4. </s><s>[INST] And <|im_end|> or </s>? [/INST]
            """#)

    static let llama3 = ChatTemplateGolden(
        name: "llama3", beginText: "<|begin_of_text|>", endText: "<|eot_id|>",
        source: #"""
            {% set loop_messages = messages %}{% for message in loop_messages %}{% set \#
            content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>

            '+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set \#
            content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if \#
            add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>

            ' }}{% endif %}
            """#,
        greeting: #"""
            <|begin_of_text|><|start_header_id|>user<|end_header_id|>

            Hi there<|eot_id|><|start_header_id|>assistant<|end_header_id|>


            """#,
        dialogue: #"""
            <|begin_of_text|><|start_header_id|>system<|end_header_id|>

            Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>

            What is 2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>

            <think>
            add
            </think>

            It is 4.<|eot_id|><|start_header_id|>user<|end_header_id|>

            And <|im_end|> or </s>?<|eot_id|>
            """#)

    static let gemma = ChatTemplateGolden(
        name: "gemma", beginText: "<bos>", endText: "<eos>",
        source: #"""
            {{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System \#
            role not supported') }}{% endif %}{% for message in messages %}{% if \#
            (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ \#
            raise_exception('Conversation roles must alternate \#
            user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == \#
            'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] \#
            %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + \#
            '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt \#
            %}{{'<start_of_turn>model\n'}}{% endif %}
            """#,
        greeting: #"""
            <bos><start_of_turn>user
            Hi there<end_of_turn>
            <start_of_turn>model

            """#,
        dialogue: nil)

    static let phi3 = ChatTemplateGolden(
        name: "phi3", beginText: "<s>", endText: "<|endoftext|>",
        source: #"""
            {{ bos_token }}{% for message in messages %}{{'<|' + message['role'] + '|>' + \#
            '\n' + message['content'] + '<|end|>\n' }}{% endfor %}{% if add_generation_prompt \#
            %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}
            """#,
        greeting: #"""
            <s><|user|>
            Hi there<|end|>
            <|assistant|>

            """#,
        dialogue: #"""
            <s><|system|>
             Be brief.
            <|end|>
            <|user|>
              What is 2+2?
            <|end|>
            <|assistant|>
            <think>
            add
            </think>

            It is 4. <|end|>
            <|user|>
            And <|im_end|> or </s>?<|end|>
            <|endoftext|>
            """#)

}
