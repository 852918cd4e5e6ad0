extension ChatTemplateGolden {
    static let llama32 = ChatTemplateGolden(
        name: "llama32", beginText: "<|begin_of_text|>", endText: "<|eot_id|>",
        source: #"""
            {{- bos_token }}
            {%- if custom_tools is defined %}
                {%- set tools = custom_tools %}
            {%- endif %}
            {%- if not tools_in_user_message is defined %}
                {%- set tools_in_user_message = true %}
            {%- endif %}
            {%- if not date_string is defined %}
                {%- if strftime_now is defined %}
                    {%- set date_string = strftime_now("%d %b %Y") %}
                {%- else %}
                    {%- set date_string = "26 Jul 2024" %}
                {%- endif %}
            {%- endif %}
            {%- if not tools is defined %}
                {%- set tools = none %}
            {%- endif %}

            {#- The system message comes first, so that instructions can precede the turns. #}
            {%- if messages[0]['role'] == 'system' %}
                {%- set system_message = messages[0]['content']|trim %}
                {%- set messages = messages[1:] %}
            {%- else %}
                {%- set system_message = "" %}
            {%- endif %}

            {{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
            {%- if tools is not none %}
                {{- "Environment: ipython\n" }}
            {%- endif %}
            {{- "Cutting Knowledge Date: December 2023\n" }}
            {{- "Today Date: " + date_string + "\n\n" }}
            {%- if tools is not none and not tools_in_user_message %}
                {%- for t in tools %}
                    {{- t | tojson(indent=4) }}
                    {{- "\n\n" }}
                {%- endfor %}
            {%- endif %}
            {{- system_message }}
            {{- "<|eot_id|>" }}
            {%- for message in messages %}
                {%- if not (message.role == 'ipython' or message.role == 'tool' or \#
            'tool_calls' in message) %}
                    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ \#
            message['content'] | trim + '<|eot_id|>' }}
                {%- elif 'tool_calls' in message %}
                    {%- if not message.tool_calls|length == 1 %}
                        {{- raise_exception("This model only supports single tool-calls at \#
            once!") }}
                    {%- endif %}
                    {%- set tool_call = message.tool_calls[0].function %}
                    {{- '{"name": "' + tool_call.name + '", ' }}
                    {{- tool_call.arguments | tojson }}
                {%- elif message.role == "tool" or message.role == "ipython" %}
                    {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
                    {%- if message.content is mapping or (message.content is iterable and \#
            message.content is not string) %}
                        {{- message.content | tojson }}
                    {%- else %}
                        {{- message.content }}
                    {%- endif %}
                    {{- "<|eot_id|>" }}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
            {%- endif %}

            """#,
        greeting: #"""
            <|begin_of_text|><|start_header_id|>system<|end_header_id|>

            Cutting Knowledge Date: December 2023
            Today Date: 26 Jul 2024

            <|eot_id|><|start_header_id|>user<|end_header_id|>

            Hi there<|eot_id|><|start_header_id|>assistant<|end_header_id|>


            """#,
        dialogue: #"""
            <|begin_of_text|><|start_header_id|>system<|end_header_id|>

            Cutting Knowledge Date: December 2023
            Today Date: 26 Jul 2024

            Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>

            What is 2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>

            <think>
            add
            </think>

            It is 4.<|eot_id|><|start_header_id|>user<|end_header_id|>

            And <|im_end|> or </s>?<|eot_id|>
            """#)

    static let mistral = ChatTemplateGolden(
        name: "mistral", beginText: "<s>", endText: "</s>",
        source: #"""
            {%- if messages[0]["role"] == "system" %}
                {%- set system_message = messages[0]["content"] %}
                {%- set loop_messages = messages[1:] %}
            {%- else %}
                {%- set loop_messages = messages %}
            {%- endif %}
            {%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | \#
            list %}
            {%- set ns = namespace(index=0) %}
            {%- for message in loop_messages %}
                {%- if not (message.role == "tool" or (message.tool_calls is defined and \#
            message.tool_calls is not none)) %}
                    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
                        {{- raise_exception("After the optional system message, conversation \#
            roles must alternate user/assistant/user/assistant/...") }}
                    {%- endif %}
                    {%- set ns.index = ns.index + 1 %}
                {%- endif %}
            {%- endfor %}

            {{- bos_token }}
            {%- for message in loop_messages %}
                {%- if message["role"] == "user" %}
                    {%- if loop.last and system_message is defined %}
                        {{- "[INST] " + system_message + "\n\n" + message["content"] + \#
            "[/INST]" }}
                    {%- else %}
                        {{- "[INST] " + message["content"] + "[/INST]" }}
                    {%- endif %}
                {%- elif message["role"] == "assistant" %}
                    {{- " " + message["content"]|trim + eos_token}}
                {%- else %}
                    {{- raise_exception("Only user and assistant roles are supported, with \#
            the exception of an initial optional system message!") }}
                {%- endif %}
            {%- endfor %}

            """#,
        greeting: #"""
            <s>[INST] Hi there[/INST]
            """#,
        dialogue: #"""
            <s>[INST]   What is 2+2?
            [/INST] <think>
            add
            </think>

            It is 4.</s>[INST]  Be brief.


            And <|im_end|> or </s>?[/INST]
            """#)

    static let qwen = ChatTemplateGolden(
        name: "qwen", beginText: "", endText: "<|im_end|>",
        source: #"""
            {%- if tools %}
                {{- '<|im_start|>system\n' }}
                {%- for tool in tools %}
                    {{- "\n" }}
                    {{- tool | tojson }}
                {%- endfor %}
            {%- else %}
                {%- if messages[0].role == 'system' %}
                    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
                {%- endif %}
            {%- endif %}
            {%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - \#
            1) %}
            {%- for message in messages[::-1] %}
                {%- set index = (messages|length - 1) - loop.index0 %}
                {%- if ns.multi_step_tool and message.role == "user" and message.content is \#
            string and not(message.content.startswith('<tool_response>') and \#
            message.content.endswith('</tool_response>')) %}
                    {%- set ns.multi_step_tool = false %}
                    {%- set ns.last_query_index = index %}
                {%- endif %}
            {%- endfor %}
            {%- for message in messages %}
                {%- if message.content is string %}
                    {%- set content = message.content %}
                {%- else %}
                    {%- set content = '' %}
                {%- endif %}
                {%- if (message.role == "user") or (message.role == "system" and not \#
            loop.first) %}
                    {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
                {%- elif message.role == "assistant" %}
                    {%- set reasoning_content = '' %}
                    {%- if message.reasoning_content is string %}
                        {%- set reasoning_content = message.reasoning_content %}
                    {%- else %}
                        {%- if '</think>' in content %}
                            {%- set reasoning_content = \#
            content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
                        {%- endif %}
                    {%- endif %}
                    {%- if loop.index0 > ns.last_query_index %}
                        {%- if loop.last or (not loop.last and reasoning_content) %}
                            {{- '<|im_start|>' + message.role + '\n<think>\n' + \#
            reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
                        {%- else %}
                            {{- '<|im_start|>' + message.role + '\n' + content }}
                        {%- endif %}
                    {%- else %}
                        {{- '<|im_start|>' + message.role + '\n' + content }}
                    {%- endif %}
                    {{- '<|im_end|>\n' }}
                {%- elif message.role == "tool" %}
                    {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
                        {{- '<|im_start|>user' }}
                    {%- endif %}
                    {{- '\n<tool_response>\n' }}
                    {{- content }}
                    {{- '\n</tool_response>' }}
                    {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
                        {{- '<|im_end|>\n' }}
                    {%- endif %}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\n' }}
                {%- if enable_thinking is defined and enable_thinking is false %}
                    {{- '<think>\n\n</think>\n\n' }}
                {%- endif %}
            {%- endif %}

            """#,
        greeting: #"""
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
            It is 4. <|im_end|>
            <|im_start|>user
            And <|im_end|> or </s>?<|im_end|>

            """#)

}
